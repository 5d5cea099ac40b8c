import { copyJson, isJsonObject, type JsonObject, sameJson } from "../object.ts";
import { fieldSchema, type Schema } from "../schema/schema.ts";
import { PatchError } from "./errors.ts";
import { objectPatch } from "./merge-patch.ts";
import { inPatchOrder, type KeyOf } from "./strategic-order.ts";

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM_LIST = "$deleteFromPrimitiveList/";
const SET_ORDER = "$setElementOrder/";

/**
 * Applies a strategic merge patch: a merge patch whose lists merge by key or as sets where the schema says so
 * (`x-kubernetes-patch-strategy`, `x-kubernetes-patch-merge-key`), with the list and map directives of
 * sig-api-machinery/strategic-merge-patch. New list items come in front, as on the real server.
 *
 * @throws PatchError `BadPatch` (no object) or `Internal` (unknown directive, item without its merge key)
 */
export function applyStrategicPatch(document: JsonObject, patch: unknown, schema: Schema): JsonObject {
  return mergeMap(document, objectPatch(patch), schema);
}

function mergeMap(original: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject {
  const directive = patch[DIRECTIVE];
  if (directive === "replace") return withoutDirectives(patch);
  if (directive === "delete") return {};
  if (directive !== undefined) throw unknownDirective(directive, patch);

  const merged = new Map(Object.entries(retained(original, patch)));
  for (const field of listsWithDirectives(patch)) {
    mergeListWithDirectives(merged, patch, field, fieldSchema(schema, field));
  }
  for (const [key, change] of Object.entries(patch)) {
    if (key.startsWith("$") || `${SET_ORDER}${key}` in patch || `${DELETE_FROM_LIST}${key}` in patch)
      continue;
    if (change === null) {
      merged.delete(key);
      continue;
    }
    const current = merged.get(key);
    merged.set(key, mergeValue(current, change, fieldSchema(schema, key)));
  }
  return Object.fromEntries(merged);
}

function mergeValue(current: unknown, change: unknown, schema: Schema | undefined): unknown {
  if (isJsonObject(change) && isJsonObject(current)) {
    return hasStrategy(schema, "replace") ? withoutDirectives(change) : mergeMap(current, change, schema);
  }
  if (Array.isArray(change) && Array.isArray(current) && hasStrategy(schema, "merge")) {
    return mergeList(current, change, schema);
  }
  return withoutDirectives(change);
}

/** A field that the original has not, or that is replaced: nulls and directives in it mean nothing. */
function withoutDirectives<T>(value: T): T {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !(isJsonObject(item) && item[DIRECTIVE] !== undefined))
      .map((item) => withoutDirectives(item)) as T;
  }
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => item !== null && !isDirective(key))
      .map(([key, item]) => [key, withoutDirectives(item)]),
  ) as T;
}

function isDirective(key: string): boolean {
  return (
    key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(DELETE_FROM_LIST) || key.startsWith(SET_ORDER)
  );
}

function retained(original: JsonObject, patch: JsonObject): JsonObject {
  const keep = patch[RETAIN_KEYS];
  if (keep === undefined) return original;
  if (!Array.isArray(keep)) throw internal("invalid patch format of retainKeys");
  const stray = Object.entries(patch).some(
    ([key, value]) => value !== null && !isDirective(key) && !keep.includes(key),
  );
  if (stray) throw internal("invalid patch format of retainKeys");
  return Object.fromEntries(Object.entries(original).filter(([key]) => keep.includes(key)));
}

function listsWithDirectives(patch: JsonObject): Set<string> {
  const fields = new Set<string>();
  for (const key of Object.keys(patch)) {
    for (const prefix of [SET_ORDER, DELETE_FROM_LIST]) {
      if (key.startsWith(prefix)) fields.add(key.slice(prefix.length));
    }
  }
  return fields;
}

function mergeListWithDirectives(
  merged: Map<string, unknown>,
  patch: JsonObject,
  field: string,
  schema: Schema | undefined,
): void {
  const before = listOrEmpty(merged.get(field), field);
  const removals = listOrEmpty(patch[`${DELETE_FROM_LIST}${field}`], field);
  const order = patch[`${SET_ORDER}${field}`];
  const change = patch[field];
  if (change === null) {
    merged.delete(field);
    return;
  }
  let list = before.filter((item) => !removals.some((removal) => sameJson(removal, item)));
  const hadField = merged.has(field);
  if (change !== undefined) {
    if (order !== undefined) checkOrderCovers(change, order, field, schema);
    list = listOrEmpty(mergeValue(list, change, schema), field);
  }
  if (order !== undefined && Array.isArray(order)) {
    const keyOf = keyFunction(mergeKeyOf(schema));
    list = inPatchOrder(list, order, before, keyOf);
  }
  if (hadField || list.length > 0) merged.set(field, list);
}

function checkOrderCovers(change: unknown, order: unknown, field: string, schema: Schema | undefined): void {
  if (!Array.isArray(change) || !Array.isArray(order)) {
    throw internal(`invalid patch format of setElementOrder list for ${field}`);
  }
  const keyOf = keyFunction(mergeKeyOf(schema));
  const ordered = new Set(order.map(keyOf));
  const covered = change.every(
    (item) => (isJsonObject(item) && item[DIRECTIVE] !== undefined) || ordered.has(keyOf(item)),
  );
  if (!covered) {
    throw internal(
      `The order in patch list:\n${goValue(change)}\n doesn't match ${SET_ORDER}${field} list:\n${goValue(order)}\n`,
    );
  }
}

function mergeList(original: unknown[], patch: unknown[], schema: Schema | undefined): unknown[] {
  const items = patch.filter((item) => !isJsonObject(item) || item[DIRECTIVE] === undefined);
  const directives = patch.filter(isJsonObject).filter((item) => item[DIRECTIVE] !== undefined);
  const mergeKey = mergeKeyOf(schema);
  const keyOf = keyFunction(mergeKey);
  let merged: unknown[] = original;
  for (const item of directives) {
    const directive = item[DIRECTIVE];
    if (directive === "replace") return items.map((value) => withoutDirectives(value));
    if (directive === "merge") throw internal("merging lists cannot yet be specified in the patch");
    if (directive !== "delete") throw unknownDirective(directive, item);
    if (mergeKey === undefined) throw internal("delete patch type with no merge key defined");
    requireMergeKey(item, mergeKey);
    merged = merged.filter((value) => keyOf(value) !== keyOf(item));
  }
  for (const item of items) merged = withItem(merged, item, mergeKey, keyOf, schema);
  return inPatchOrder(merged, items, original, keyOf);
}

function withItem(
  list: unknown[],
  item: unknown,
  mergeKey: string | undefined,
  keyOf: KeyOf,
  schema: Schema | undefined,
): unknown[] {
  if (mergeKey === undefined) return list.some((value) => sameJson(value, item)) ? list : [...list, item];
  if (!isJsonObject(item)) return [...list, item];
  requireMergeKey(item, mergeKey);
  const key = keyOf(item);
  if (!list.some((value) => keyOf(value) === key)) return [...list, withoutDirectives(item)];
  return list.map((value) =>
    keyOf(value) === key && isJsonObject(value) ? mergeMap(value, item, schema?.items) : value,
  );
}

function requireMergeKey(item: JsonObject, mergeKey: string): void {
  if (!Object.hasOwn(item, mergeKey)) {
    throw internal(`map: ${goValue(item)} does not contain declared merge key: ${mergeKey}`);
  }
}

function keyFunction(mergeKey: string | undefined): KeyOf {
  return (item) => {
    if (mergeKey === undefined || !isJsonObject(item)) return JSON.stringify(item);
    return JSON.stringify(item[mergeKey]);
  };
}

function mergeKeyOf(schema: Schema | undefined): string | undefined {
  return schema?.["x-kubernetes-patch-merge-key"];
}

function hasStrategy(schema: Schema | undefined, strategy: string): boolean {
  return schema?.["x-kubernetes-patch-strategy"]?.split(",").includes(strategy) ?? false;
}

function listOrEmpty(value: unknown, field: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return copyJson(value);
  throw internal(`expected a list in ${field}`);
}

function unknownDirective(directive: unknown, item: JsonObject): PatchError {
  return internal(`unknown patch type: ${goValue(directive)} in map: ${goValue(item)}`);
}

/** A value as Go's fmt prints it with %v, which is how the messages show items. */
export function goValue(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(goValue).join(" ")}]`;
  if (!isJsonObject(value)) return String(value);
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${key}:${goValue(value[key])}`);
  return `map[${entries.join(" ")}]`;
}

function internal(message: string): PatchError {
  return new PatchError("Internal", message);
}
