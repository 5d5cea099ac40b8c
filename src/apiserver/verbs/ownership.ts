/** Who owns which field: keeps metadata.managedFields up to date at creations, updates and applies. */

import { ApplyError } from "../apply/errors.ts";
import { type Applied, applyFields, trackUpdate, type WriteScope } from "../apply/field-manager.ts";
import type { JsonObject, KubeObject, ManagedFieldsEntry } from "../object.ts";
import { groupVersion } from "../resources/definition.ts";
import { ApiError } from "../status/status.ts";
import { type Core, timestamp } from "./core.ts";
import type { WriteContext, WriteTarget } from "./write.ts";

/** Undefined for kinds without a schema: nobody is tracked there. */
function scopeOf(core: Core, target: WriteTarget, context: WriteContext): WriteScope | undefined {
  const { definition, subresource } = target;
  const schema = definition.codec.schema;
  if (schema === undefined) return undefined;
  return {
    manager: context.options.fieldManager,
    apiVersion: groupVersion(definition),
    subresource,
    now: timestamp(core.now()),
    schema,
    custom: definition.custom,
    resets: subresource === "status" ? ["spec"] : definition.rules.separateStatus ? ["status"] : [],
  };
}

/** Sets the managedFields of an object that is created or updated otherwise than by apply. */
export function track(
  core: Core,
  target: WriteTarget,
  object: KubeObject,
  old: KubeObject | undefined,
  context: WriteContext,
): void {
  const scope = scopeOf(core, target, context);
  const fields = scope === undefined ? [] : (context.managedFields ?? trackUpdate(old, object, scope));
  setFields(object, fields);
}

function setFields(object: KubeObject, fields: readonly ManagedFieldsEntry[]): void {
  if (fields.length === 0) delete object.metadata.managedFields;
  else object.metadata.managedFields = [...fields];
}

/** @throws ApiError 409 for conflicts, 500 for what does not fit the schema */
export function applied(
  core: Core,
  target: WriteTarget,
  live: KubeObject | undefined,
  configuration: JsonObject,
  context: WriteContext,
): Applied {
  const scope = scopeOf(core, target, context);
  if (scope === undefined) {
    throw new ApiError(415, "UnsupportedMediaType", "apply is not supported for this resource");
  }
  try {
    return applyFields(live, configuration, scope, context.options.force);
  } catch (error) {
    if (!(error instanceof ApplyError)) throw error;
    const reason = { BadRequest: "BadRequest", Conflict: "Conflict", Untyped: undefined }[error.code];
    const details = error.causes.length === 0 ? undefined : { causes: error.causes };
    throw new ApiError(error.status, reason, error.message, details);
  }
}
