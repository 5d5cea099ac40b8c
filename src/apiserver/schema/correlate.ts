import { isJsonObject } from "../object.ts";
import type { Schema } from "./schema.ts";

/** The value of a field before the change; undefined when there was none. */
export function oldField(old: unknown, key: string): unknown {
  return isJsonObject(old) && Object.hasOwn(old, key) ? old[key] : undefined;
}

/**
 * The item of the list before the change that an item now stands for. Only lists of type map can tell: an item of
 * an atomic list or a set has no identity beyond its value.
 */
export function oldItem(old: unknown, item: unknown, schema: Schema): unknown {
  const keys = schema["x-kubernetes-list-map-keys"];
  if (schema["x-kubernetes-list-type"] !== "map" || keys === undefined || !Array.isArray(old))
    return undefined;
  const identity = mapKey(item, keys);
  return old.find((candidate) => mapKey(candidate, keys) === identity);
}

export function mapKey(item: unknown, keys: readonly string[]): string {
  return JSON.stringify(keys.map((key) => (isJsonObject(item) ? (item[key] ?? null) : null)));
}
