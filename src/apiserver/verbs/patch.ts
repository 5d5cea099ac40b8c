/** PATCH: reads the patch by its media type, makes the new object, and hands it to the update (or the create). */

import { copyJson, type JsonObject, type KubeObject } from "../object.ts";
import { PatchError } from "../patch/errors.ts";
import { applyJsonPatch } from "../patch/json-patch.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { ApiError, badRequest, notFound } from "../status/status.ts";
import { applyConfiguration } from "./apply.ts";
import { type Core, find, served } from "./core.ts";
import { type Body, decodeObject, wrongKind } from "./decode.ts";
import { strategicPatch } from "./strategic.ts";
import { update, type WriteContext, type WriteTarget, type Written } from "./write.ts";

export type PatchKind = "json" | "merge" | "strategic" | "apply";

const BY_TYPE: Record<string, PatchKind> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

export function patchKind(definition: ResourceDefinition, contentType: string | undefined): PatchKind {
  const type = (contentType ?? "").split(";")[0]?.trim() ?? "";
  const supported = Object.keys(BY_TYPE).filter(
    (name) => !definition.custom || name !== "application/strategic-merge-patch+json",
  );
  const kind = supported.includes(type) ? BY_TYPE[type] : undefined;
  if (kind !== undefined) return kind;
  if (!definition.custom) throw new ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
  const why = `the body of the request was in an unknown format - accepted media types include: ${supported.join(", ")}`;
  throw new ApiError(415, "UnsupportedMediaType", why);
}

export function patch(
  core: Core,
  target: WriteTarget,
  kind: PatchKind,
  body: Body,
  context: WriteContext,
): Written {
  if (kind === "apply") return applyConfiguration(core, target, body, context);
  const { definition, namespace, name } = target;
  const entry = find(core, definition, namespace, name);
  if (entry === undefined) throw notFound(definition, name);
  const current = served(definition, entry.object);
  const change = parsePatch(body.bytes.toString("utf8"));
  const patched = withErrors(() => {
    switch (kind) {
      case "json":
        return applyJsonPatch(current, change);
      case "merge":
        return applyMergePatch(current, change);
      default:
        return strategicPatch(definition, current, change);
    }
  });
  const object = decodePatched(core, target, patched, context);
  keepRevision(object, current);
  return update(core, target, object, context, "patch");
}

function parsePatch(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badRequest("error decoding patch: invalid character in JSON input");
  }
}

function withErrors(make: () => JsonObject): JsonObject {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    const reasons = {
      400: "BadRequest",
      413: "RequestEntityTooLarge",
      422: "Invalid",
      500: undefined,
    } as const;
    throw new ApiError(
      error.status,
      reasons[error.status],
      error.message,
      error.status === 422 ? {} : undefined,
    );
  }
}

function decodePatched(
  core: Core,
  target: WriteTarget,
  patched: JsonObject,
  context: WriteContext,
): KubeObject {
  const { definition } = target;
  const validation = context.options.fieldValidation;
  const warnings: string[] = [];
  let object: KubeObject;
  const kind = patched["kind"];
  if (definition.custom && typeof kind === "string" && kind !== "" && kind !== definition.kind) {
    throw wrongKind(definition, kind, target.name);
  }
  try {
    object = decodeObject(
      core.registry,
      definition,
      { value: copyJson(patched), duplicates: [] },
      validation === "Strict" ? "Warn" : validation,
      warnings,
    );
  } catch (error) {
    if (error instanceof ApiError && error.code === 400) throw unfit(error.message);
    throw error;
  }
  if (validation === "Strict" && warnings.length > 0) {
    throw unfit(`strict decoding error: ${warnings.join(", ")}`);
  }
  context.warnings.push(...warnings);
  return object;
}

/** kube-apiserver shows the whole object here; this one does not, for it may hold secrets. */
function unfit(why: string): ApiError {
  const message = `Invalid value: "{...}": ${why}`;
  return new ApiError(422, "Invalid", ` "" is invalid: patch: ${message}`, {
    causes: [{ reason: "FieldValueInvalid", message, field: "patch" }],
  });
}

/** A patch that says nothing of the revision holds for the one it was made from; one that says it demands it. */
function keepRevision(object: KubeObject, current: KubeObject): void {
  object.metadata.resourceVersion ??= current.metadata.resourceVersion ?? "";
}
