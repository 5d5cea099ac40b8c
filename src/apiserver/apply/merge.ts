import { copyJson, isJsonObject, type JsonObject } from "../object.ts";
import { fieldSchema, type Schema } from "../schema/schema.ts";
import type { FieldSet, PathElement } from "./field-set.ts";
import { itemElement, shapeOf } from "./typed.ts";

/** A configuration laid over a live object: maps merge by key, list maps and sets by item, the rest is replaced. */
export function mergeConfiguration(live: unknown, applied: unknown, schema: Schema | undefined): unknown {
  if (applied === undefined) return copyJson(live);
  const shape = shapeOf(applied, schema);
  if (live === undefined || live === null || shape === "leaf") return copyJson(applied);
  if (Array.isArray(applied))
    return Array.isArray(live) ? mergeLists(live, applied, schema) : copyJson(applied);
  if (!isJsonObject(applied) || !isJsonObject(live)) return copyJson(applied);
  const merged = new Map<string, unknown>(Object.entries(live).map(([key, value]) => [key, copyJson(value)]));
  for (const [key, value] of Object.entries(applied)) {
    merged.set(key, mergeConfiguration(merged.get(key), value, fieldSchema(schema, key)));
  }
  return Object.fromEntries(merged);
}

/**
 * Items of the configuration keep its order; items that only the live list has stay where they stand between those
 * that both have (structured-merge-diff, visitListItems).
 */
function mergeLists(
  live: readonly unknown[],
  applied: readonly unknown[],
  schema: Schema | undefined,
): unknown[] {
  const left = live.map((item, index) => ({ element: itemElement(item, schema) ?? `i:${index}`, item }));
  const right = applied.map((item, index) => ({ element: itemElement(item, schema) ?? `i:${index}`, item }));
  const liveItems = new Map(left.map(({ element, item }) => [element, item]));
  const inApplied = new Set(right.map(({ element }) => element));
  const shared = right.map(({ element }) => element).filter((element) => liveItems.has(element));
  const done = new Set<PathElement>();
  const result: unknown[] = [];
  let next = shared.shift();
  let l = 0;
  let r = 0;
  const takeRight = () => {
    const entry = right[r++];
    if (entry === undefined) return;
    done.add(entry.element);
    result.push(mergeConfiguration(liveItems.get(entry.element), entry.item, schema?.items));
    if (entry.element === next) next = shared.shift();
  };
  while (l < left.length || r < right.length) {
    const onLeft = left[l];
    const onRight = right[r];
    if (onLeft !== undefined && onRight !== undefined) {
      if (onLeft.element === onRight.element) {
        l++;
        takeRight();
        continue;
      }
      if (inApplied.has(onLeft.element) && next !== undefined && next !== onLeft.element) {
        l++;
        continue;
      }
    }
    if (onLeft !== undefined) {
      if (!inApplied.has(onLeft.element)) {
        result.push(copyJson(onLeft.item));
        l++;
        continue;
      }
      if (done.has(onLeft.element)) l++;
    }
    if (onRight !== undefined) takeRight();
  }
  return result;
}

/** The value without the paths of a set; what becomes empty by that goes too. */
export function removePaths(value: JsonObject, paths: FieldSet, schema: Schema): JsonObject {
  const left = removed(value, paths, schema);
  return isJsonObject(left) ? left : {};
}

function removed(value: unknown, paths: FieldSet, schema: Schema | undefined): unknown {
  if (paths.isEmpty() || shapeOf(value, schema) === "leaf") return value;
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const [index, item] of value.entries()) {
      const element = itemElement(item, schema) ?? `i:${index}`;
      if (!paths.hasMember(element)) items.push(removed(item, paths.below(element), schema?.items));
    }
    return items.length === 0 ? undefined : items;
  }
  if (!isJsonObject(value)) return value;
  const members: [string, unknown][] = [];
  for (const [key, member] of Object.entries(value)) {
    if (paths.hasMember(`f:${key}`)) continue;
    const left = removed(member, paths.below(`f:${key}`), fieldSchema(schema, key));
    if (left !== undefined) members.push([key, left]);
  }
  return members.length === 0 ? undefined : Object.fromEntries(members);
}
