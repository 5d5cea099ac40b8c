/** Deletes: preconditions, grace, finalizers and the three propagation policies. */

import type { JsonObject, KubeObject } from "../object.ts";
import { type ResourceDefinition, storageKey } from "../resources/definition.ts";
import { ApiError, forbidden, notFound, success } from "../status/status.ts";
import type { Entry } from "../storage/store.ts";
import { type Core, find, served, timestamp } from "./core.ts";
import type { DeleteOptions } from "./options.ts";

export interface Removal {
  /** A Status when the object is gone, the object itself when it stays (or is of a graceful kind). */
  readonly body: JsonObject;
  readonly gone: boolean;
}

export function remove(
  core: Core,
  definition: ResourceDefinition,
  namespace: string,
  name: string,
  options: DeleteOptions,
): Removal {
  const entry = find(core, definition, namespace, name);
  if (entry === undefined) throw notFound(definition, name);
  checkPreconditions(definition, entry, options);
  if (definition.storage === "namespaces" && IMMORTAL.has(name)) {
    throw forbidden(definition, name, "this namespace may not be deleted");
  }
  const key = storageKey(definition, namespace, name);
  const graceful = definition.rules.gracePeriod;
  const asked = options.gracePeriodSeconds;
  const object = entry.object;
  const { deletionTimestamp } = object.metadata;
  const finalizers = nextFinalizers(definition, object, options);
  const grace = graceful === undefined ? 0 : graceful(object, asked);
  const held = finalizers.length > 0 || grace > 0 || isHeldBySpec(definition, object);

  if (deletionTimestamp !== undefined) {
    return removeAgain(core, definition, key, entry, finalizers, grace, options);
  }
  if (!held) {
    if (graceful !== undefined) {
      const marked = mark(core, object, [], 0);
      if (options.dryRun) return { body: marked, gone: true };
      const stored = core.store.put(definition.storage, key, marked);
      core.store.delete(definition.storage, key);
      return { body: served(definition, stored.object), gone: true };
    }
    const last = options.dryRun ? undefined : core.store.delete(definition.storage, key);
    if (definition.rules.deletionAnswersObject === true) {
      return { body: served(definition, last?.object ?? object), gone: true };
    }
    return { body: statusOf(definition, object), gone: true };
  }
  const marked = mark(core, object, finalizers, grace);
  if (definition.storage === "namespaces") markNamespace(marked);
  if (definition.storage === CRDS) markDefinition(core, marked, object);
  if (options.dryRun) return { body: served(definition, marked), gone: false };
  const stored = core.store.put(definition.storage, key, marked);
  return { body: served(definition, stored.object), gone: false };
}

/** A second delete may shorten the grace and change the policy, never lengthen. */
function removeAgain(
  core: Core,
  definition: ResourceDefinition,
  key: string,
  entry: Entry,
  finalizers: string[],
  grace: number,
  options: DeleteOptions,
): Removal {
  const { object } = entry;
  const meta = object.metadata;
  const left = meta.deletionGracePeriodSeconds ?? 0;
  const graceful = definition.rules.gracePeriod !== undefined;
  const shorter = graceful && options.gracePeriodSeconds !== undefined && grace < left;
  const sameFinalizers = finalizers.join() === (meta.finalizers ?? []).join();
  if (!shorter && sameFinalizers) return { body: served(definition, object), gone: false };
  const next: KubeObject = { ...object, metadata: { ...meta } };
  if (finalizers.length === 0) delete next.metadata.finalizers;
  else next.metadata.finalizers = finalizers;
  if (shorter) {
    next.metadata.deletionGracePeriodSeconds = grace;
    next.metadata.deletionTimestamp = timestamp(core.now() + grace * 1000);
  }
  if (options.dryRun) return { body: served(definition, next), gone: false };
  const stored = core.store.put(definition.storage, key, next);
  if (graceful && grace === 0 && finalizers.length === 0) {
    const last = core.store.delete(definition.storage, key);
    return { body: served(definition, last?.object ?? stored.object), gone: true };
  }
  return { body: served(definition, stored.object), gone: false };
}

function checkPreconditions(definition: ResourceDefinition, entry: Entry, options: DeleteOptions): void {
  const meta = entry.object.metadata;
  const fail = (field: string, asked: string, found: string, why: string): ApiError =>
    new ApiError(
      409,
      "Conflict",
      `Operation cannot be fulfilled on ${definition.kind}${definition.group === "" ? "" : `.${definition.group}`} ${JSON.stringify(meta.name)}: the ${field} in the precondition (${asked}) does not match the ${field} in record (${found}). The object might have been ${why}`,
      {
        name: meta.name ?? "",
        ...(definition.group === "" ? {} : { group: definition.group }),
        kind: definition.kind,
      },
    );
  if (options.uid !== undefined && options.uid !== meta.uid) {
    throw fail("UID", options.uid, meta.uid ?? "", "deleted and then recreated");
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== meta.resourceVersion) {
    throw fail("ResourceVersion", options.resourceVersion, meta.resourceVersion ?? "", "modified");
  }
}

const IMMORTAL: ReadonlySet<string> = new Set(["default", "kube-system", "kube-public"]);
const CRDS = "customresourcedefinitions.apiextensions.k8s.io";
const CRD_CLEANUP = "customresourcecleanup.apiextensions.k8s.io";

function nextFinalizers(
  definition: ResourceDefinition,
  object: KubeObject,
  options: DeleteOptions,
): string[] {
  const own = object.metadata.finalizers ?? [];
  // A definition stays until its instances are gone.
  const needsCleanup =
    definition.storage === CRDS &&
    object.metadata.deletionTimestamp === undefined &&
    !own.includes(CRD_CLEANUP);
  const present = needsCleanup ? [...own, CRD_CLEANUP] : own;
  if (options.propagation === undefined) return [...present];
  const others = present.filter((name) => name !== "orphan" && name !== "foregroundDeletion");
  if (options.propagation === "Orphan") return [...others, "orphan"];
  if (options.propagation === "Foreground") return [...others, "foregroundDeletion"];
  return others;
}

function isHeldBySpec(definition: ResourceDefinition, object: KubeObject): boolean {
  // Namespaces always wait for the controller that empties them.
  return definition.storage === "namespaces" && object.metadata.name !== undefined;
}

function mark(core: Core, object: KubeObject, finalizers: string[], grace: number): KubeObject {
  const metadata = {
    ...object.metadata,
    deletionTimestamp: timestamp(core.now() + grace * 1000),
    deletionGracePeriodSeconds: grace,
    ...(finalizers.length === 0 ? {} : { finalizers }),
  };
  if (finalizers.length === 0) delete (metadata as { finalizers?: string[] }).finalizers;
  if (object.metadata.generation !== undefined && object.metadata.generation > 0) {
    metadata.generation = object.metadata.generation + 1;
  }
  return { ...object, metadata };
}

function markNamespace(namespace: KubeObject): void {
  delete namespace.metadata.deletionGracePeriodSeconds;
  const status = namespace["status"] as JsonObject | undefined;
  namespace["status"] = { ...status, phase: "Terminating" };
}

function markDefinition(core: Core, marked: KubeObject, before: KubeObject): void {
  delete marked.metadata.deletionGracePeriodSeconds;
  if (before.metadata.generation !== undefined) marked.metadata.generation = before.metadata.generation;
  const status = marked["status"] as JsonObject | undefined;
  const conditions = Array.isArray(status?.["conditions"]) ? status["conditions"] : [];
  const terminating = {
    type: "Terminating",
    status: "True",
    lastTransitionTime: timestamp(core.now()),
    reason: "InstanceDeletionPending",
    message: "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
  };
  marked["status"] = { ...status, conditions: [...conditions, terminating] };
}

function statusOf(definition: ResourceDefinition, object: KubeObject): JsonObject {
  return success({
    name: object.metadata.name ?? "",
    ...(definition.group === "" ? {} : { group: definition.group }),
    kind: definition.plural,
    uid: object.metadata.uid ?? "",
  });
}
