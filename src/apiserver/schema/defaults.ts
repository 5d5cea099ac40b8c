import { copyJson, isJsonObject } from "../object.ts";
import { fieldSchema, type Schema } from "./schema.ts";

/**
 * Sets the defaults of a structural schema in place: a missing field gets its default, and so does a null that the
 * schema does not allow; objects that a default brought get their own defaults too. Nulls that are not allowed and
 * have no default are dropped.
 */
export function applyDefaults(value: unknown, schema: Schema): void {
  setDefaults(value, schema);
  dropForbiddenNulls(value, schema);
}

function setDefaults(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    const items = schema.items;
    if (items === undefined) return;
    for (const [index, item] of value.entries()) {
      if (isForbiddenNull(item, items) && items.default !== undefined) value[index] = copyJson(items.default);
      setDefaults(value[index], items);
    }
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    if (field.default === undefined || field.default === null) continue;
    const present = Object.hasOwn(value, key);
    if (!present || isForbiddenNull(value[key], field)) value[key] = copyJson(field.default);
  }
  for (const key of Object.keys(value)) {
    const field = fieldSchema(schema, key);
    if (field === undefined) continue;
    if (isForbiddenNull(value[key], field) && field.default !== undefined)
      value[key] = copyJson(field.default);
    setDefaults(value[key], field);
  }
}

function dropForbiddenNulls(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    if (schema.items !== undefined) for (const item of value) dropForbiddenNulls(item, schema.items);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const key of Object.keys(value)) {
    const field = fieldSchema(schema, key);
    if (field === undefined) continue;
    if (isForbiddenNull(value[key], field)) delete value[key];
    else dropForbiddenNulls(value[key], field);
  }
}

function isForbiddenNull(value: unknown, schema: Schema): boolean {
  return value === null && schema.nullable !== true;
}
