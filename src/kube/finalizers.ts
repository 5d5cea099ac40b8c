/** Finalizers by patch: an update would make us an owner of the whole spec. */

import type { CallOptions, KubeClient } from "./client.ts";
import { isConflict, isNotFound, isReplaced, KubeError } from "./error.ts";
import type { KubeObject, Resource } from "./object.ts";
import { keyOf, refOf } from "./object.ts";

export function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) === true;
}

/** The object with the finalizer; the very object when it has it. `Conflict` when another object took the name. */
export async function addFinalizer<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  object: T,
  finalizer: string,
  options: CallOptions = {},
): Promise<T> {
  const edited = await edit(client, resource, object, options, (finalizers) =>
    finalizers.includes(finalizer) ? undefined : [...finalizers, finalizer],
  );
  if (edited !== undefined) return edited;
  const message = `${resource.kind} ${keyOf(object)} was replaced by another of that name.`;
  throw new KubeError(message, { status: 409, reason: "Conflict" });
}

/** The object without the finalizer, `undefined` when it is gone (nobody is left who needs it off). */
export async function removeFinalizer<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  object: T,
  finalizer: string,
  options: CallOptions = {},
): Promise<T | undefined> {
  try {
    return await edit(client, resource, object, options, (finalizers) =>
      finalizers.includes(finalizer) ? finalizers.filter((name) => name !== finalizer) : undefined,
    );
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const ATTEMPTS = 5;

/** Reads and tries again when somebody else wrote in between; `undefined` when another object took the name. */
async function edit<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  seen: T,
  options: CallOptions,
  change: (finalizers: readonly string[]) => readonly string[] | undefined,
): Promise<T | undefined> {
  const ref = refOf(keyOf(seen));
  let object = seen;
  for (let attempt = 1; ; attempt += 1) {
    const finalizers = change(object.metadata.finalizers ?? []);
    if (finalizers === undefined) return object;
    const { uid, resourceVersion } = object.metadata;
    const body = { metadata: { uid, resourceVersion, finalizers } };
    try {
      return await client.patch(resource, ref, { type: "merge", body }, options);
    } catch (error) {
      if (isReplaced(error)) return undefined;
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
    }
    object = await client.get(resource, ref, options);
    if (object.metadata.uid !== uid) return undefined;
  }
}
