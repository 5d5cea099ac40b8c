import { isJsonObject, type JsonObject } from "../object.ts";
import { OBJECT_META, resolve } from "../openapi/models.ts";
import { fieldSchema, type Schema } from "../schema/schema.ts";
import { type PathElement, shownElement, shownPath } from "./field-set.ts";

/** How a value takes part in ownership: as a whole (`leaf`), member by member, or item by item. */
export type Shape = "leaf" | "map" | "list";

/** The shape of a value by its schema; values without one are maps by key, and lists as a whole. */
export function shapeOf(value: unknown, schema: Schema | undefined): Shape {
  if (Array.isArray(value)) return isAssociative(schema) ? "list" : "leaf";
  if (isJsonObject(value)) return schema?.["x-kubernetes-map-type"] === "atomic" ? "leaf" : "map";
  return "leaf";
}

function isAssociative(schema: Schema | undefined): boolean {
  const type = schema?.["x-kubernetes-list-type"];
  return type === "map" || type === "set";
}

/** Is the key a field that the schema names, rather than a key of a map? */
export function isNamedField(schema: Schema | undefined, key: string): boolean {
  return schema?.properties !== undefined && Object.hasOwn(schema.properties, key);
}

/** The path element of an item of a list map or a set; undefined when it has none of the keys. */
export function itemElement(item: unknown, schema: Schema | undefined): PathElement | undefined {
  if (schema?.["x-kubernetes-list-type"] !== "map") return `v:${JSON.stringify(item)}`;
  const keys: JsonObject = {};
  for (const key of [...(schema["x-kubernetes-list-map-keys"] ?? [])].sort()) {
    const given = isJsonObject(item) ? item[key] : undefined;
    const value = given ?? schema.items?.properties?.[key]?.default;
    if (value !== undefined && value !== null) keys[key] = value;
  }
  return Object.keys(keys).length === 0 ? undefined : `k:${JSON.stringify(keys)}`;
}

const roots = new WeakMap<Schema, Schema>();

/** The schema of a whole object: a CRD's says nothing of metadata, which is every kind's. */
export function objectSchema(schema: Schema): Schema {
  const known = roots.get(schema);
  if (known !== undefined) return known;
  const text: Schema = { type: "string" };
  const root: Schema = {
    ...schema,
    type: "object",
    properties: { ...schema.properties, apiVersion: text, kind: text, metadata: resolve(OBJECT_META) },
  };
  roots.set(schema, root);
  return root;
}

/** Faults of an applied configuration against its schema, as `.spec.nope: field not declared in schema`. */
export function typeFaults(
  value: unknown,
  schema: Schema | undefined,
  path: readonly PathElement[] = [],
): string[] {
  if (schema === undefined || value === null || value === undefined) return [];
  const at = shownPath(path);
  const fault = (expected: string) => [
    `${at}: expected ${expected}, got &value.valueUnstructured{Value:${shown(value)}}`,
  ];
  if (schema["x-kubernetes-int-or-string"] === true) return [];
  if (schema.type === "array" || schema.items !== undefined) {
    return Array.isArray(value)
      ? listFaults(value, schema, path)
      : [`${at}: expected list, got &{${shown(value)}}`];
  }
  if (schema.type === "object" || schema.properties !== undefined) {
    return isJsonObject(value)
      ? mapFaults(value, schema, path)
      : [`${at}: expected map, got &{${shown(value)}}`];
  }
  switch (schema.type) {
    case "string":
      return typeof value === "string" ? [] : fault("string");
    case "boolean":
      return typeof value === "boolean" ? [] : fault("boolean");
    case "integer":
    case "number":
      return typeof value === "number" || typeof value === "bigint" ? [] : fault("numeric (int or float)");
    default:
      return [];
  }
}

function mapFaults(value: JsonObject, schema: Schema, path: readonly PathElement[]): string[] {
  const open =
    schema["x-kubernetes-preserve-unknown-fields"] === true || schema.additionalProperties === true;
  const typeless = schema.properties === undefined && schema.additionalProperties === undefined;
  return Object.keys(value)
    .sort()
    .flatMap((key) => {
      const below = [...path, `f:${key}`];
      const known = fieldSchema(schema, key);
      if (known !== undefined) return typeFaults(value[key], known, below);
      return open || (typeless && schema.type === undefined)
        ? []
        : [`${shownPath(below)}: field not declared in schema`];
    });
}

function listFaults(list: readonly unknown[], schema: Schema, path: readonly PathElement[]): string[] {
  const at = shownPath(path);
  if (!isAssociative(schema)) {
    return list.flatMap((item, index) => typeFaults(item, schema.items, [...path, `i:${index}`]));
  }
  const seen = new Set<PathElement>();
  const faults: string[] = [];
  for (const [index, item] of list.entries()) {
    const element = itemElement(item, schema);
    if (element === undefined) {
      const keys = (schema["x-kubernetes-list-map-keys"] ?? []).map((key) => JSON.stringify(key)).join(" ");
      faults.push(
        `${at}: element ${index}: associative list with keys has an element that omits all key fields [${keys}] (and doesn't have default values for any key fields)`,
      );
      continue;
    }
    if (seen.has(element)) faults.push(`${at}: duplicate entries for key ${shownElement(element)}`);
    seen.add(element);
    faults.push(...typeFaults(item, schema.items, [...path, element]));
  }
  return faults;
}

function shown(value: unknown): string {
  return isJsonObject(value) || Array.isArray(value) ? JSON.stringify(value) : String(value);
}
