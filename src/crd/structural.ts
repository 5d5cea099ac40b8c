/** From a valibot schema to the structural schema of a CustomResourceDefinition. */

import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";

export type StructuralSchema = { readonly [keyword: string]: unknown };

/** Keywords of JSON Schema that a CRD refuses or that say nothing in one. */
const DROPPED = new Set(["$schema", "additionalProperties"]);
/** The order in which a reader wants them. */
const ORDER = ["description", "type", "format", "enum", "default", "properties", "required", "items"];

export function structuralSchema(schema: v.GenericSchema): StructuralSchema {
  return tidy(
    toJsonSchema(schema, {
      typeMode: "input",
      errorMode: "throw",
      overrideSchema: ({ valibotSchema, jsonSchema }) => {
        // Checked by code only; its metadata carries the keywords. A union has no structural form.
        if (valibotSchema.type === "custom" || valibotSchema.type === "union") return {};
        return jsonSchema;
      },
      // What code checks beyond the structural form is said by the keywords in the metadata.
      ignoreActions: ["check", "transform"],
    }),
  );
}

function tidy(node: unknown): StructuralSchema {
  if (!isObject(node)) throw new TypeError("A schema node must be an object.");
  const result: Record<string, unknown> = {};
  const names = Object.keys(node).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  for (const name of names) {
    const value = node[name];
    if (name === "properties" && isObject(value)) {
      result[name] = Object.fromEntries(Object.entries(value).map(([key, child]) => [key, tidy(child)]));
    } else if (name === "items") {
      result[name] = tidy(value);
    } else if (name === "additionalProperties" && isObject(value)) {
      result[name] = tidy(value);
    } else if (name === "required" && Array.isArray(value) && value.length === 0) {
      // An empty list is refused by some versions and means nothing.
    } else if (value === Number.MIN_SAFE_INTEGER || value === Number.MAX_SAFE_INTEGER) {
      // The bound of what a double holds is ours, not the API's.
    } else if (name === "pattern" && typeof value === "string") {
      // JavaScript escapes the slash in the source of an expression; the server's syntax does not.
      result[name] = value.replaceAll("\\/", "/");
    } else if (!DROPPED.has(name)) {
      result[name] = value;
    }
  }
  return result;
}

function rank(name: string): number {
  const index = ORDER.indexOf(name);
  return index < 0 ? ORDER.length : index;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
