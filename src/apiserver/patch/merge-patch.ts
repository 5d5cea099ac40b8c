import { copyJson, isJsonObject, type JsonObject } from "../object.ts";
import { jsonTypeName, PatchError } from "./errors.ts";

/**
 * Applies an RFC 7386 merge patch: null removes, objects merge, everything else replaces.
 *
 * @throws PatchError `BadPatch` when the patch is no object
 */
export function applyMergePatch(document: JsonObject, patch: unknown): JsonObject {
  return mergeObjects(document, objectPatch(patch));
}

/** @throws PatchError `BadPatch` when the patch is no object */
export function objectPatch(patch: unknown): JsonObject {
  if (isJsonObject(patch)) return patch;
  if (patch === null) return {};
  throw new PatchError(
    "BadPatch",
    `error decoding patch: json: cannot unmarshal ${jsonTypeName(patch)} into Go value of type map[string]interface {}`,
  );
}

function mergeObjects(document: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map<string, unknown>();
  for (const key of Object.keys(document)) merged.set(key, document[key]);
  for (const key of Object.keys(patch)) {
    const change = patch[key];
    if (change === null || change === undefined) {
      merged.delete(key);
      continue;
    }
    const current = merged.get(key);
    if (isJsonObject(change)) merged.set(key, mergeObjects(isJsonObject(current) ? current : {}, change));
    else merged.set(key, copyJson(change));
  }
  return Object.fromEntries(merged);
}

/**
 * The merge patch that turns one object into the other. Nulls inside the target cannot be expressed: a merge patch
 * has no way to write one.
 */
export function mergePatchBetween(from: JsonObject, to: JsonObject): JsonObject {
  const patch = new Map<string, unknown>();
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) patch.set(key, null);
  for (const key of Object.keys(to)) {
    const target = to[key];
    const current = Object.hasOwn(from, key) ? from[key] : undefined;
    if (isJsonObject(target) && isJsonObject(current)) {
      const inner = mergePatchBetween(current, target);
      if (Object.keys(inner).length > 0) patch.set(key, inner);
    } else if (JSON.stringify(current) !== JSON.stringify(target)) {
      patch.set(key, copyJson(target));
    }
  }
  return Object.fromEntries(patch);
}
