/** Status by merge patch, only where it changes: no write without a difference. */

import type { CallOptions, KubeClient } from "./client.ts";
import type { KubeObject, Resource } from "./object.ts";
import { keyOf, refOf } from "./object.ts";

/**
 * Makes the status of the object `wanted`: fields that `wanted` lacks are removed. The object itself comes back when
 * nothing differs, without a request. Rejects with `Conflict` unless the object is as it was seen: servers do not look
 * at a uid in a patch of a status, so that only the version keeps it off another object that took the name.
 */
export async function writeStatus<T extends KubeObject & { readonly status?: unknown }>(
  client: KubeClient,
  resource: Resource<T>,
  object: T,
  wanted: T["status"],
  options: CallOptions = {},
): Promise<T> {
  const patch = mergePatch(object.status ?? {}, wanted ?? {});
  if (patch === undefined) return object;
  const { uid, resourceVersion } = object.metadata;
  const body = { metadata: { uid, resourceVersion }, status: patch };
  const call = { ...options, subresource: "status" } as const;
  return client.patch(resource, refOf(keyOf(object)), { type: "merge", body }, call);
}

/** RFC 7386 patch that makes `from` into `to`; `undefined` when they are equal. `undefined` members count as absent. */
export function mergePatch(from: unknown, to: unknown): unknown {
  if (!isRecord(from) || !isRecord(to)) return equal(from, to) ? undefined : to;
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const before = own(from, name);
    const after = own(to, name);
    if (after === undefined || after === null) {
      if (before !== undefined && before !== null) set(patch, name, null);
    } else {
      const inner = mergePatch(before, after);
      if (inner !== undefined) set(patch, name, inner);
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** What an object itself has: `__proto__` without it would be found in every object. */
function own(value: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Assignment that also works for the key `__proto__`, which is lawful in maps of users. */
function set(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Deep equality of JSON values; members that are `undefined` count as absent. */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  const present = (value: Record<string, unknown>) =>
    Object.keys(value).filter((name) => own(value, name) !== undefined);
  const names = present(a);
  return (
    names.length === present(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equal(own(a, name), own(b, name)))
  );
}
