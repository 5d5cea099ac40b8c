/** Create and update: the order of checks is that of Kubernetes, since clients see which error comes first. */

import { metadataErrors, metadataUpdateErrors, metadataWarnings } from "../kinds/metadata.ts";
import { type KubeObject, type ManagedFieldsEntry, type ObjectMeta, sameJson } from "../object.ts";
import { type ResourceDefinition, storageKey } from "../resources/definition.ts";
import {
  type ApiError,
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  internal,
  invalid,
  invalidValue,
  MODIFIED,
  notFound,
} from "../status/status.ts";
import type { Entry } from "../storage/store.ts";
import { type AdmissionAttempt, type Core, find, newUid, ruleContext, timestamp, type User } from "./core.ts";
import type { WriteOptions } from "./options.ts";
import { track } from "./ownership.ts";
import { generateName } from "./random-name.ts";

export interface WriteTarget {
  readonly definition: ResourceDefinition;
  readonly namespace: string;
  readonly name: string;
  /** "" or "status" (or another subresource that shares the object). */
  readonly subresource: string;
}

export interface WriteContext {
  readonly user: User;
  readonly options: WriteOptions;
  readonly warnings: string[];
  /** Decided already, by an apply. */
  readonly managedFields?: readonly ManagedFieldsEntry[];
}

/** What a write answers; `entry` is undefined for a dry run. */
export interface Written {
  readonly object: KubeObject;
  readonly created: boolean;
  /** The object as JSON, when it is what is stored. */
  readonly json?: string;
}

export function create(core: Core, target: WriteTarget, object: KubeObject, context: WriteContext): Written {
  const { definition, namespace } = target;
  const meta = object.metadata;
  takeNamespace(definition, meta, namespace);
  checkNamespaceLives(core, definition, meta, namespace);
  checkDefinitionLives(core, definition, meta);
  if ((meta.resourceVersion ?? "") !== "") {
    throw internal("resourceVersion should not be set on objects to be created");
  }
  if (meta.generateName !== undefined && meta.generateName !== "" && (meta.name ?? "") === "") {
    meta.name = generateName(meta.generateName);
  }
  const now = timestamp(core.now());
  meta.uid = newUid();
  meta.creationTimestamp = now;
  for (const field of [
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
  ] as const) {
    delete meta[field];
  }
  if (definition.rules.generation !== "none") meta.generation = 1;
  if (definition.custom && definition.rules.separateStatus) delete object["status"];
  definition.codec.applyDefaults(object);
  definition.rules.normalize?.(object);
  track(core, target, object, undefined, context);
  definition.rules.complete?.(object);
  definition.rules.prepareCreate?.(object, ruleContext(core, namespace));
  for (const admit of core.admissions) {
    admit(attempt("create", target, context, object, undefined));
  }
  const schema = definition.codec.validate(object);
  const causes = [
    ...metadataErrors(definition, meta),
    ...(definition.rules.validate?.(object, undefined) ?? []),
    ...schema.causes,
  ];
  if (causes.length > 0) throw invalid(errorKind(definition), meta.name ?? "", causes);
  for (const admit of core.policies) admit(attempt("create", target, context, object, undefined));
  const key = storageKey(definition, namespace, meta.name ?? "");
  const existing = core.store.get(definition.storage, key);
  if (existing !== undefined) {
    throw alreadyExists(
      definition,
      meta.name ?? "",
      existing.object.metadata.deletionTimestamp !== undefined,
    );
  }
  context.warnings.push(
    ...schema.warnings,
    ...metadataWarnings(definition, meta),
    ...(definition.rules.warnings?.(object, undefined) ?? []),
  );
  const stored = toStored(definition, object);
  if (context.options.dryRun) return { object: stored, created: true };
  return writtenEntry(core.store.put(definition.storage, key, stored), true);
}

/** Replaces what is stored by `object`, a whole object as a PUT or the result of a patch brings it. */
export function update(
  core: Core,
  target: WriteTarget,
  object: KubeObject,
  context: WriteContext,
  mode: "put" | "patch" | "apply",
): Written {
  const { definition, namespace, name } = target;
  const entry = find(core, definition, namespace, name);
  if (entry === undefined) throw notFound(definition, name);
  const old = fromStored(definition, entry.object);
  const meta = object.metadata;
  checkNames(target, meta);
  checkPreconditions(definition, object, entry, mode);
  carryOver(object, old);
  if (target.subresource === "status") keepAllButStatus(definition, object, old);
  else if (definition.rules.separateStatus) keep(object, old, ["status"]);
  definition.codec.applyDefaults(object);
  definition.rules.normalize?.(object);
  track(core, target, object, old, context);
  definition.rules.complete?.(object);
  if (target.subresource === "") {
    definition.rules.prepareUpdate?.(object, old, ruleContext(core, namespace));
  }
  countGeneration(definition, object, old);
  for (const admit of core.admissions) {
    admit(attempt("update", target, context, object, old));
  }
  const schema = definition.codec.validate(
    object,
    old,
    target.subresource === "status" ? "status" : undefined,
  );
  const causes = [
    ...metadataUpdateErrors(definition, object, old),
    // Two validators look at this in kube-apiserver, and each reports it.
    ...metadataUpdateErrors(definition, object, old),
    ...(definition.rules.validate?.(object, old) ?? []),
    ...schema.causes,
  ];
  if (causes.length > 0) throw invalid(errorKind(definition), name, causes);
  for (const admit of core.policies) admit(attempt("update", target, context, object, old));
  context.warnings.push(
    ...schema.warnings,
    ...metadataWarnings(definition, meta),
    ...(definition.rules.warnings?.(object, old) ?? []),
  );
  return commit(core, target, toStored(definition, object), entry, context.options.dryRun);
}

function attempt(
  operation: "create" | "update",
  { definition, subresource }: WriteTarget,
  { user, options, warnings }: WriteContext,
  object: KubeObject,
  old: KubeObject | undefined,
): AdmissionAttempt {
  return { definition, operation, subresource, dryRun: options.dryRun, user, object, old, warnings };
}

/** Kinds that are kept in another group's form are refused under that group's name. */
function errorKind(definition: ResourceDefinition): { readonly group: string; readonly kind: string } {
  return definition.convert === undefined || definition.custom
    ? definition
    : { group: "", kind: definition.kind };
}

/** Stores the new state; the same state keeps its revision, and one whose last finalizer went is removed. */
function commit(core: Core, target: WriteTarget, object: KubeObject, entry: Entry, dryRun: boolean): Written {
  const { definition, namespace, name } = target;
  object.metadata.resourceVersion = String(entry.revision);
  if (unchanged(object, entry.object)) return writtenEntry(entry, false);
  if (dryRun) return { object, created: false };
  const key = storageKey(definition, namespace, name);
  if (isFinished(object)) {
    core.store.delete(definition.storage, key);
    return { object, created: false };
  }
  return writtenEntry(core.store.put(definition.storage, key, object), false);
}

function writtenEntry({ object, json }: Entry, created: boolean): Written {
  return { object, created, json };
}

/** A deleted object that nothing holds any more. Namespaces are held by their spec too. */
export function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  if (deletionTimestamp === undefined || (finalizers ?? []).length > 0) return false;
  return deletionGracePeriodSeconds === 0;
}

/** Times in managedFields alone are no change. */
function unchanged(object: KubeObject, old: KubeObject): boolean {
  if (sameJson(object, old)) return true;
  const strip = ({ metadata: { managedFields, ...meta }, ...rest }: KubeObject) => ({
    ...rest,
    metadata: { ...meta, managedFields: managedFields?.map(({ time: _time, ...entry }) => entry) },
  });
  return sameJson(strip(object), strip(old));
}

function takeNamespace(definition: ResourceDefinition, meta: ObjectMeta, namespace: string): void {
  if (!definition.namespaced) {
    delete meta.namespace;
    return;
  }
  if (meta.namespace !== undefined && meta.namespace !== "" && meta.namespace !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  meta.namespace = namespace;
}

const NAMESPACES = { group: "", plural: "namespaces" };

function checkNamespaceLives(
  core: Core,
  definition: ResourceDefinition,
  meta: ObjectMeta,
  namespace: string,
): void {
  if (!definition.namespaced) return;
  const found = core.store.get("namespaces", namespace)?.object;
  if (found === undefined) throw notFound(NAMESPACES, namespace);
  if (found.metadata.deletionTimestamp === undefined) return;
  throw terminating(definition, meta.name ?? "", namespace);
}

function checkDefinitionLives(core: Core, definition: ResourceDefinition, meta: ObjectMeta): void {
  if (!definition.custom) return;
  const crd = core.store.get("customresourcedefinitions.apiextensions.k8s.io", definition.storage)?.object;
  if (crd?.metadata.deletionTimestamp === undefined) return;
  const why = "create not allowed while custom resource definition is terminating";
  throw forbidden(definition, meta.name ?? "", why);
}

function terminating(definition: ResourceDefinition, name: string, namespace: string): ApiError {
  return forbidden(
    definition,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
    [
      {
        reason: "NamespaceTerminating",
        message: `namespace ${namespace} is being terminated`,
        field: "metadata.namespace",
      },
    ],
  );
}

function checkNames(target: WriteTarget, meta: ObjectMeta): void {
  if ((meta.name ?? "") === "") {
    throw badRequest(
      `the name of the object (${target.name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (meta.name !== target.name) {
    throw badRequest(
      `the name of the object (${meta.name}) does not match the name on the URL (${target.name})`,
    );
  }
  takeNamespace(target.definition, meta, target.namespace);
}

function checkPreconditions(
  definition: ResourceDefinition,
  object: KubeObject,
  entry: Entry,
  mode: "put" | "patch" | "apply",
): void {
  const meta = object.metadata;
  const name = entry.object.metadata.name ?? "";
  const uid = entry.object.metadata.uid ?? "";
  if (mode === "put" && (meta.uid ?? "") !== "" && meta.uid !== uid) {
    throw conflict(
      definition,
      name,
      `StorageError: invalid object, Code: 4, Key: /registry/${registryPath(definition)}/${entry.key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${uid}`,
    );
  }
  const revision = meta.resourceVersion ?? "";
  if (revision === "" || revision === "0") {
    if (definition.rules.unconditionalUpdate || mode === "apply") return;
    throw invalid({ group: definition.group, kind: definition.plural }, name, [
      invalidValue("metadata.resourceVersion", 0, "must be specified for an update"),
    ]);
  }
  if (!/^\d+$/.test(revision)) {
    throw internal(`strconv.ParseUint: parsing ${JSON.stringify(revision)}: invalid syntax`);
  }
  if (revision !== entry.object.metadata.resourceVersion) throw conflict(definition, name, MODIFIED);
}

function registryPath(definition: ResourceDefinition): string {
  return definition.custom ? `${definition.group}/${definition.plural}` : definition.plural;
}

/** Fields of the system that an update cannot change, whatever its body says. */
function carryOver(object: KubeObject, old: KubeObject): void {
  const meta = object.metadata;
  const before = old.metadata;
  meta.uid ??= before.uid ?? "";
  if (meta.uid === "") meta.uid = before.uid ?? "";
  meta.namespace ??= before.namespace as string;
  if (before.namespace === undefined) delete meta.namespace;
  for (const field of ["creationTimestamp", "generation", "generateName", "selfLink"] as const) {
    replace(meta, before, field);
  }
  for (const field of ["deletionTimestamp", "deletionGracePeriodSeconds"] as const) {
    if (meta[field] === undefined) replace(meta, before, field);
  }
  meta.managedFields ??= before.managedFields as NonNullable<ObjectMeta["managedFields"]>;
  if (meta.managedFields === undefined) delete meta.managedFields;
}

function replace<K extends keyof ObjectMeta>(meta: ObjectMeta, before: ObjectMeta, field: K): void {
  if (before[field] === undefined) delete meta[field];
  else meta[field] = before[field];
}

function keep(object: KubeObject, old: KubeObject, fields: readonly string[]): void {
  for (const field of fields) {
    if (old[field] === undefined) delete object[field];
    else object[field] = old[field];
  }
}

function keepAllButStatus(definition: ResourceDefinition, object: KubeObject, old: KubeObject): void {
  const taken = definition.rules.statusFields ?? ["status"];
  const fields = new Set([...Object.keys(object), ...Object.keys(old)]);
  for (const field of ["metadata", ...taken]) fields.delete(field);
  keep(object, old, [...fields]);
  const { managedFields, resourceVersion } = object.metadata;
  object.metadata = {
    ...old.metadata,
    ...(managedFields === undefined ? {} : { managedFields }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function countGeneration(definition: ResourceDefinition, object: KubeObject, old: KubeObject): void {
  const { generation } = definition.rules;
  if (generation === "none") return;
  const relevant = (source: KubeObject): unknown => {
    if (generation === "spec") return source["spec"];
    const { metadata: _metadata, status, ...rest } = source;
    return definition.rules.separateStatus ? rest : { ...rest, status };
  };
  const before = old.metadata.generation ?? 0;
  object.metadata.generation = sameJson(relevant(object), relevant(old)) ? before : before + 1;
}

function toStored(definition: ResourceDefinition, object: KubeObject): KubeObject {
  return definition.convert === undefined ? object : definition.convert.toStored(object);
}

function fromStored(definition: ResourceDefinition, object: KubeObject): KubeObject {
  return definition.convert === undefined ? object : definition.convert.fromStored(object);
}
