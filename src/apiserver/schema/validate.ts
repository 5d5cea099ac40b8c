import { isJsonObject, type JsonObject, sameJson } from "../object.ts";
import type { Cause } from "../status/status.ts";
import { oldField, oldItem } from "./correlate.ts";
import { childPath } from "./go-value.ts";
import type { Schema } from "./schema.ts";
import {
  combination,
  countCauses,
  enumCauses,
  formatCauses,
  numberCauses,
  type Place,
  required,
  stringCauses,
  typeCauses,
} from "./value-checks.ts";

/**
 * Violations of a structural schema, in the words and fields of a Kubernetes API server. `old` is the value before
 * the change: what did not change is not looked at (ratcheting, KEP-4008).
 *
 * The real server walks the properties of an object in random order; here it is alphabetical.
 */
export function schemaCauses(value: unknown, schema: Schema, old: unknown, place: Place): Cause[] {
  if (old !== undefined && sameJson(value, old)) return [];
  const causes = [
    ...typeCauses(value, schema, place),
    ...(hasCombinations(schema) ? combinationCauses(value, schema, old, place) : []),
  ];
  if (typeof value === "string") {
    causes.push(...stringCauses(value, schema, place), ...formatCauses(value, schema, place));
  } else if (typeof value === "number" || typeof value === "bigint") {
    causes.push(...numberCauses(value, schema, place));
  } else if (Array.isArray(value)) {
    causes.push(...listCauses(value, schema, old, place));
  }
  causes.push(...(value === null && schema.nullable ? [] : enumCauses(value, schema, place)));
  if (isJsonObject(value)) causes.push(...objectCauses(value, schema, old, place));
  return causes;
}

function listCauses(list: readonly unknown[], schema: Schema, old: unknown, place: Place): Cause[] {
  const items = schema.items;
  const inner =
    items === undefined
      ? []
      : list.flatMap((item, index) =>
          schemaCauses(item, items, oldItem(old, item, schema), below(place, index)),
        );
  return [...inner, ...countCauses(list.length, "items", schema.minItems, schema.maxItems, place)];
}

function objectCauses(value: JsonObject, schema: Schema, old: unknown, place: Place): Cause[] {
  const keys = Object.keys(value).sort();
  const counts = countCauses(keys.length, "properties", schema.minProperties, schema.maxProperties, place);
  if (counts.length > 0) return counts;
  const properties = schema.properties ?? {};
  const additional = schema.additionalProperties;
  const causes: Cause[] = [];
  if (typeof additional === "object") {
    for (const key of keys) {
      if (Object.hasOwn(properties, key)) continue;
      causes.push(...schemaCauses(value[key], additional, oldField(old, key), below(place, key)));
    }
  }
  for (const key of keys) {
    const field = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (field === undefined) continue;
    causes.push(...schemaCauses(value[key], field, oldField(old, key), below(place, key)));
  }
  for (const key of schema.required ?? []) {
    if (!Object.hasOwn(value, key)) causes.push(required(below(place, key).field));
  }
  return causes;
}

function hasCombinations(schema: Schema): boolean {
  return (
    schema.allOf !== undefined ||
    schema.anyOf !== undefined ||
    schema.oneOf !== undefined ||
    schema.not !== undefined
  );
}

function combinationCauses(value: unknown, schema: Schema, old: unknown, place: Place): Cause[] {
  const check = (branch: Schema) => schemaCauses(value, branch, old, place);
  const causes: Cause[] = [];
  if (schema.anyOf !== undefined) {
    const results = schema.anyOf.map(check);
    if (!results.some((result) => result.length === 0)) {
      causes.push(combination(place.inBody, "must validate at least one schema (anyOf)"), ...fewest(results));
    }
  }
  if (schema.oneOf !== undefined) {
    const results = schema.oneOf.map(check);
    const valid = results.filter((result) => result.length === 0).length;
    if (valid === 0) {
      causes.push(
        combination(place.inBody, "must validate one and only one schema (oneOf). Found none valid"),
        ...fewest(results),
      );
    } else if (valid > 1) {
      causes.push(
        combination(
          place.inBody,
          `must validate one and only one schema (oneOf). Found ${valid} valid alternatives`,
        ),
      );
    }
  }
  if (schema.allOf !== undefined) {
    const results = schema.allOf.map(check).filter((result) => result.length > 0);
    causes.push(...results.flat());
    if (results.length > 0) {
      const none = results.length === schema.allOf.length ? ". None validated" : "";
      causes.push(combination(place.inBody, `must validate all the schemas (allOf)${none}`));
    }
  }
  if (schema.not !== undefined && check(schema.not).length === 0) {
    causes.push(combination(place.inBody, "must not validate the schema (not)"));
  }
  return causes;
}

/** The branch that came closest, which is the one whose failures help. */
function fewest(results: readonly (readonly Cause[])[]): readonly Cause[] {
  return results.reduce<readonly Cause[]>(
    (best, result) => (best.length === 0 || result.length < best.length ? result : best),
    [],
  );
}

function below(place: Place, key: string | number): Place {
  return { field: childPath(place.field, key), inBody: childPath(place.inBody, key) };
}
