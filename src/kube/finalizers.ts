/** Finalizers by patch: an update would make us an owner of the whole spec. */

import type { CallOptions, KubeClient } from "./client.ts";
import { isConflict, isNotFound, KubeError } from "./error.ts";
import type { KubeObject, Resource } from "./object.ts";
import { keyOf, refOf } from "./object.ts";

export function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) === true;
}

/** The object with the finalizer; the object itself when it has it. Rejects when it is being deleted or was replaced. */
export async function addFinalizer<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  object: T,
  finalizer: string,
  options: CallOptions = {},
): Promise<T> {
  return edit(client, resource, object, options, (finalizers) =>
    finalizers.includes(finalizer) ? undefined : [...finalizers, finalizer],
  );
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

/** Reads and tries again when somebody else wrote in between, as long as it is the same object. */
async function edit<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  seen: T,
  options: CallOptions,
  change: (finalizers: readonly string[]) => readonly string[] | undefined,
): Promise<T> {
  let object = seen;
  for (let attempt = 1; ; attempt += 1) {
    const finalizers = change(object.metadata.finalizers ?? []);
    if (finalizers === undefined) return object;
    const { uid, resourceVersion } = object.metadata;
    const body = { metadata: { uid, resourceVersion, finalizers } };
    const ref = refOf(keyOf(object));
    try {
      return await client.patch(resource, ref, { type: "merge", body }, options);
    } catch (error) {
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
    }
    object = await client.get(resource, ref, options);
    if (object.metadata.uid !== uid) {
      throw new KubeError(`${resource.kind} ${keyOf(object)} was replaced by another of that name.`, {
        status: 409,
        reason: "Conflict",
      });
    }
  }
}
