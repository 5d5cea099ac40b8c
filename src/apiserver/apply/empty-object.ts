import type { JsonObject } from "../object.ts";
import type { Schema } from "../schema/schema.ts";

/** Parts that are values of their kind, not pointers: an empty object of the kind has them already. */
const VALUE_PARTS = new Set([
  "metadata",
  "names",
  "source",
  "spec",
  "status",
  "strategy",
  "template",
  "updateStrategy",
]);

/**
 * What a new object of a kind is compared with to find out what its creator set. Custom resources start from nothing;
 * built-in ones from the zero value of their type, whose fixed parts are there already and so are nobody's.
 */
export function emptyObject(schema: Schema, custom: boolean): JsonObject {
  if (custom) return {};
  const known = zeros.get(schema);
  if (known !== undefined) return known;
  const zero = zeroOf(schema, 0);
  zeros.set(schema, zero);
  return zero;
}

const zeros = new WeakMap<Schema, JsonObject>();

function zeroOf(schema: Schema, depth: number): JsonObject {
  if (depth > 6) return {};
  const required = new Set(schema.required ?? []);
  const zero: JsonObject = {};
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    if (field.properties !== undefined && (VALUE_PARTS.has(key) || required.has(key))) {
      if (field["x-kubernetes-map-type"] !== "atomic") zero[key] = zeroOf(field, depth + 1);
    } else if (required.has(key)) {
      zero[key] = null;
    }
  }
  return zero;
}
