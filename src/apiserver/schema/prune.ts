import { isJsonObject } from "../object.ts";
import { childPath } from "./go-value.ts";
import type { Schema } from "./schema.ts";

const RESOURCE_FIELDS = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Drops in place what a structural schema does not know, and answers the paths of what was dropped, sorted
 * (`spec.template.nope`). `resource` says that the value is a whole object: its apiVersion, kind and metadata stay.
 */
export function pruneUnknown(value: unknown, schema: Schema, resource: boolean): string[] {
  const unknown: string[] = [];
  walk(value, schema, resource, "", unknown);
  return unknown.sort();
}

function walk(value: unknown, schema: Schema, resource: boolean, path: string, unknown: string[]): void {
  if (Array.isArray(value)) {
    // A list below a node that keeps unknown fields, with nothing said of its items: they are kept whole.
    if (schema.items === undefined && schema["x-kubernetes-preserve-unknown-fields"] === true) return;
    for (const [index, item] of value.entries()) {
      walk(
        item,
        schema.items ?? {},
        schema.items?.["x-kubernetes-embedded-resource"] ?? false,
        childPath(path, index),
        unknown,
      );
    }
    return;
  }
  if (!isJsonObject(value)) return;
  const keepsUnknown = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const additional = schema.additionalProperties;
  for (const key of Object.keys(value)) {
    if (resource && RESOURCE_FIELDS.has(key)) continue;
    const below = childPath(path, key);
    const known =
      schema.properties !== undefined && Object.hasOwn(schema.properties, key)
        ? schema.properties[key]
        : undefined;
    const field = known ?? (typeof additional === "object" ? additional : undefined);
    if (field !== undefined) {
      walk(value[key], field, field["x-kubernetes-embedded-resource"] ?? false, below, unknown);
    } else if (!keepsUnknown && additional !== true) {
      delete value[key];
      unknown.push(below);
    }
  }
}
