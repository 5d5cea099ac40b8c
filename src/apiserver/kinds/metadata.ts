/** Rules for metadata that hold for every kind. */

import { type KubeObject, type ObjectMeta, type OwnerReference, sameJson } from "../object.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { type Cause, forbiddenField, invalidValue, required, tooLong } from "../status/status.ts";
import { labelValueErrors, qualifiedNameErrors } from "./names.ts";

const MAX_ANNOTATION_BYTES = 262_144;
const STANDARD_FINALIZERS = new Set(["orphan", "foregroundDeletion", "kubernetes"]);

export function metadataErrors(definition: ResourceDefinition, meta: ObjectMeta): Cause[] {
  const causes: Cause[] = [];
  const nameErrors = definition.rules.nameErrors;
  if (meta.generateName !== undefined && meta.generateName !== "") {
    for (const why of nameErrors(meta.generateName, true)) {
      causes.push(invalidValue("metadata.generateName", meta.generateName, why));
    }
  }
  if (meta.name === undefined || meta.name === "") {
    causes.push(required("metadata.name", "name or generateName is required"));
  } else {
    for (const why of nameErrors(meta.name, false))
      causes.push(invalidValue("metadata.name", meta.name, why));
  }
  if ((meta.generation ?? 0) < 0) {
    causes.push(invalidValue("metadata.generation", meta.generation, "must be greater than or equal to 0"));
  }
  return [...causes, ...commonErrors(definition, meta)];
}

function commonErrors(definition: ResourceDefinition, meta: ObjectMeta): Cause[] {
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries(meta.labels ?? {})) {
    for (const why of qualifiedNameErrors(key)) causes.push(invalidValue("metadata.labels", key, why));
    for (const why of labelValueErrors(value)) causes.push(invalidValue("metadata.labels", value, why));
  }
  causes.push(...annotationErrors(meta.annotations ?? {}), ...ownerErrors(meta.ownerReferences ?? []));
  causes.push(...finalizerErrors(definition, meta.finalizers ?? []));
  return causes;
}

function annotationErrors(annotations: Record<string, string>): Cause[] {
  const causes: Cause[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    for (const why of qualifiedNameErrors(key.toLowerCase())) {
      causes.push(invalidValue("metadata.annotations", key, why));
    }
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > MAX_ANNOTATION_BYTES) causes.push(tooLong("metadata.annotations", MAX_ANNOTATION_BYTES));
  return causes;
}

function ownerErrors(owners: readonly OwnerReference[]): Cause[] {
  const causes: Cause[] = [];
  const base = "metadata.ownerReferences";
  let controller: OwnerReference | undefined;
  for (const owner of owners) {
    const version = (owner.apiVersion ?? "").split("/").pop() ?? "";
    if (version === "")
      causes.push(invalidValue(`${base}.apiVersion`, owner.apiVersion ?? "", "version must not be empty"));
    for (const field of ["kind", "name", "uid"] as const) {
      if ((owner[field] ?? "") === "") causes.push(invalidValue(`${base}.${field}`, "", "must not be empty"));
    }
    if (owner.controller !== true) continue;
    if (controller !== undefined) {
      causes.push(
        invalidValue(
          base,
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller.kind}/${controller.name} and ${owner.kind}/${owner.name}`,
        ),
      );
    }
    controller = owner;
  }
  return causes;
}

function finalizerErrors(definition: ResourceDefinition, finalizers: readonly string[]): Cause[] {
  const causes: Cause[] = [];
  for (const [index, name] of finalizers.entries()) {
    const field = `metadata.finalizers[${index}]`;
    for (const why of qualifiedNameErrors(name)) causes.push(invalidValue(field, name, why));
    // Custom resources may use plain names (with a warning), built-in kinds may not.
    if (!definition.custom && !name.includes("/") && !STANDARD_FINALIZERS.has(name)) {
      causes.push(
        invalidValue(field, name, "name is neither a standard finalizer name nor is it fully qualified"),
      );
    }
  }
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion")) {
    causes.push(
      invalidValue(
        "metadata.finalizers",
        finalizers,
        "finalizer orphan and foregroundDeletion cannot be both set",
      ),
    );
  }
  return causes;
}

/** Warnings of any write: finalizers without a domain. */
export function metadataWarnings(definition: ResourceDefinition, meta: ObjectMeta): string[] {
  if (!definition.custom) return [];
  return (meta.finalizers ?? [])
    .filter((name) => !name.includes("/") && !STANDARD_FINALIZERS.has(name))
    .map(
      (name) =>
        `metadata.finalizers: ${JSON.stringify(name)}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers`,
    );
}

export function metadataUpdateErrors(
  definition: ResourceDefinition,
  object: KubeObject,
  old: KubeObject,
): Cause[] {
  const meta = object.metadata;
  const before = old.metadata;
  const causes: Cause[] = [];
  const added = (meta.finalizers ?? []).filter((name) => !(before.finalizers ?? []).includes(name));
  if (before.deletionTimestamp !== undefined && added.length > 0) {
    const shown = added.map((name) => JSON.stringify(name)).join(", ");
    causes.push(
      forbiddenField(
        "metadata.finalizers",
        `no new finalizers can be added if the object is being deleted, found new finalizers []string{${shown}}`,
      ),
    );
  }
  const immutable = (field: keyof ObjectMeta): void => {
    if (sameJson(meta[field], before[field])) return;
    causes.push(invalidValue(`metadata.${field}`, meta[field] ?? "", "field is immutable"));
  };
  immutable("name");
  immutable("namespace");
  immutable("uid");
  immutable("deletionTimestamp");
  immutable("deletionGracePeriodSeconds");
  if ((meta.generation ?? 0) < (before.generation ?? 0)) {
    causes.push(invalidValue("metadata.generation", meta.generation ?? 0, "must not be decremented"));
  }
  return [...causes, ...commonErrors(definition, meta)];
}
