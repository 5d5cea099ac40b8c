import { isJsonObject, sameJson } from "../object.ts";
import type { Cause } from "../status/status.ts";
import { mapKey, oldField, oldItem } from "./correlate.ts";
import { childPath, shown } from "./go-value.ts";
import { fieldSchema, type Schema } from "./schema.ts";

/** Duplicates in lists of type set and map. Lists that did not change are not looked at. */
export function listTypeCauses(value: unknown, schema: Schema, old: unknown, path: string): Cause[] {
  if (old !== undefined && sameJson(value, old)) return [];
  if (Array.isArray(value)) {
    const items = schema.items;
    const causes = duplicates(value, schema, path);
    if (items === undefined) return causes;
    return [
      ...causes,
      ...value.flatMap((item, index) =>
        listTypeCauses(item, items, oldItem(old, item, schema), childPath(path, index)),
      ),
    ];
  }
  if (!isJsonObject(value)) return [];
  return Object.keys(value)
    .sort()
    .flatMap((key) => {
      const field = fieldSchema(schema, key);
      return field === undefined
        ? []
        : listTypeCauses(value[key], field, oldField(old, key), childPath(path, key));
    });
}

function duplicates(list: readonly unknown[], schema: Schema, path: string): Cause[] {
  const type = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  if (type !== "set" && type !== "map") return [];
  const seen = new Set<string>();
  const causes: Cause[] = [];
  for (const [index, item] of list.entries()) {
    const identity = type === "set" ? shown(item) : mapKey(item, keys);
    if (seen.has(identity)) causes.push(duplicate(childPath(path, index), item, type, keys));
    seen.add(identity);
  }
  return causes;
}

function duplicate(field: string, item: unknown, type: "set" | "map", keys: readonly string[]): Cause {
  const value =
    type === "set" || !isJsonObject(item)
      ? item
      : Object.fromEntries(keys.filter((key) => item[key] !== undefined).map((key) => [key, item[key]]));
  return { reason: "FieldValueDuplicate", message: `Duplicate value: ${shown(value)}`, field };
}
