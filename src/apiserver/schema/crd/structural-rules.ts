import { copyJson, isJsonObject } from "../../object.ts";
import { type Cause, forbiddenField, invalidValue, required, unsupported } from "../../status/status.ts";
import { applyDefaults } from "../defaults.ts";
import { pruneUnknown } from "../prune.ts";
import type { Schema } from "../schema.ts";
import { schemaCauses } from "../validate.ts";
import { compilePattern, type Place } from "../value-checks.ts";

const TYPES = ["array", "boolean", "integer", "number", "object", "string"];

/** Whether a schema is structural, in the words of apiextensions-apiserver; parts come before their whole. */
export function structuralCauses(schema: Schema, path: string): Cause[] {
  const causes = [...keywordCauses(schema, path), ...shapeCauses(schema, path, "root")];
  const metadata = schema.properties?.["metadata"];
  if (metadata !== undefined && !isPlainMetadata(metadata)) {
    causes.push(
      forbiddenField(
        `${path}.properties[metadata]`,
        "must not specify anything other than name and generateName, but metadata is implicitly specified",
      ),
    );
  }
  return causes;
}

type Position = "root" | "field" | "item";

const TYPE_REQUIRED: Readonly<Record<Position, string>> = {
  root: "must not be empty at the root",
  field: "must not be empty for specified object fields",
  item: "must not be empty for specified array items",
};

function shapeCauses(schema: Schema, path: string, position: Position): Cause[] {
  const causes = parts(schema, path).flatMap(({ schema: part, path: at, position: where }) =>
    shapeCauses(part, at, where),
  );
  const free =
    schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (schema.type === undefined || schema.type === "") {
    if (position === "root" || !free) causes.push(required(`${path}.type`, TYPE_REQUIRED[position]));
  } else if (position === "root" && schema.type !== "object") {
    causes.push(invalidValue(`${path}.type`, schema.type, "must be object at the root"));
  }
  if (schema["x-kubernetes-int-or-string"] === true && schema.type !== undefined && schema.type !== "") {
    causes.push(forbiddenField(`${path}.type`, "must be empty if x-kubernetes-int-or-string is true"));
  }
  if (schema["x-kubernetes-embedded-resource"] === true && schema.type !== "object") {
    causes.push(
      invalidValue(
        `${path}.type`,
        schema.type ?? "",
        "must be object if x-kubernetes-embedded-resource is true",
      ),
    );
  }
  return causes;
}

interface Part {
  readonly schema: Schema;
  readonly path: string;
  readonly position: Position;
}

/** The schemas directly below, in the order in which they are looked at. */
export function parts(schema: Schema, path: string): Part[] {
  const found: Part[] = [];
  if (schema.items !== undefined)
    found.push({ schema: schema.items, path: `${path}.items`, position: "item" });
  for (const key of Object.keys(schema.properties ?? {}).sort()) {
    const part = schema.properties?.[key];
    if (part !== undefined)
      found.push({ schema: part, path: `${path}.properties[${key}]`, position: "field" });
  }
  if (typeof schema.additionalProperties === "object") {
    found.push({
      schema: schema.additionalProperties,
      path: `${path}.additionalProperties`,
      position: "field",
    });
  }
  return found;
}

function keywordCauses(schema: Schema, path: string): Cause[] {
  const causes: Cause[] = [];
  if (schema.type !== undefined && schema.type !== "" && !TYPES.includes(schema.type)) {
    causes.push(unsupported(`${path}.type`, schema.type, TYPES));
  }
  if (schema.uniqueItems === true) {
    causes.push(
      forbiddenField(
        `${path}.uniqueItems`,
        "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
      ),
    );
  }
  if (schema.additionalProperties === false) {
    causes.push(
      forbiddenField(`${path}.additionalProperties`, "additionalProperties cannot be set to false"),
    );
  }
  if (typeof schema.additionalProperties === "object" && Object.keys(schema.properties ?? {}).length > 0) {
    causes.push(
      forbiddenField(
        `${path}.additionalProperties`,
        "additionalProperties and properties are mutual exclusive",
      ),
    );
  }
  if (schema.type === "array" && schema.items === undefined) {
    causes.push(required(`${path}.items`, "must be specified"));
  }
  if (schema.pattern !== undefined && compilePattern(schema.pattern) === undefined) {
    causes.push(
      invalidValue(
        `${path}.pattern`,
        schema.pattern,
        `must be a valid regular expression, but isn't: error parsing regexp: ${patternFault(schema.pattern)}`,
      ),
    );
  }
  causes.push(...listTypeKeywords(schema, path));
  if (schema.default !== undefined) causes.push(...defaultCauses(schema, path));
  return [...causes, ...parts(schema, path).flatMap((part) => keywordCauses(part.schema, part.path))];
}

/** The commonest faults of a pattern in the words of Go's parser. */
function patternFault(pattern: string): string {
  const closed = pattern.replaceAll(/\\.|\[[^\]]*\]/g, "");
  const open = (closed.match(/\(/g) ?? []).length - (closed.match(/\)/g) ?? []).length;
  if (open > 0) return `missing closing ): \`${pattern}\``;
  if (open < 0) return `unexpected ): \`${pattern}\``;
  if (/\[[^\]]*$/.test(pattern)) return `missing closing ]: \`${pattern.slice(pattern.lastIndexOf("["))}\``;
  return `invalid or unsupported Perl syntax: \`${pattern}\``;
}

function listTypeKeywords(schema: Schema, path: string): Cause[] {
  const type = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const keysPath = `${path}.x-kubernetes-list-map-keys`;
  if (type === undefined) {
    return keys.length === 0
      ? []
      : [forbiddenField(keysPath, "must be empty if x-kubernetes-list-type is not map")];
  }
  if (!["atomic", "set", "map"].includes(type)) {
    return [unsupported(`${path}.x-kubernetes-list-type`, type, ["atomic", "map", "set"])];
  }
  if (schema.type !== "array") {
    return [
      invalidValue(`${path}.type`, schema.type ?? "", "must be array if x-kubernetes-list-type is specified"),
    ];
  }
  if (type !== "map") {
    return keys.length === 0
      ? []
      : [forbiddenField(keysPath, "must be empty if x-kubernetes-list-type is not map")];
  }
  if (keys.length === 0) return [required(keysPath, "must not be empty if x-kubernetes-list-type is map")];
  return keys.flatMap((key) => listKeyCauses(schema.items, key, path, keysPath));
}

function listKeyCauses(items: Schema | undefined, key: string, path: string, keysPath: string): Cause[] {
  const property = items?.properties?.[key];
  if (property === undefined) {
    return [invalidValue(keysPath, [key], "entries must all be names of item properties")];
  }
  if (property.default !== undefined || items?.required?.includes(key)) return [];
  return [
    required(
      `${path}.items.properties[${key}].default`,
      "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
    ),
  ];
}

function defaultCauses(schema: Schema, path: string): Cause[] {
  const field = `${path}.default`;
  const value = { whole: copyJson(schema.default) };
  const unknown = pruneUnknown(value, { properties: { whole: schema } }, false);
  if (unknown.length > 0) return [invalidValue(field, schema.default, "must not have unknown fields")];
  applyDefaults(value.whole, schema);
  const place: Place = { field, inBody: "" };
  return schemaCauses(value.whole, schema, undefined, place);
}

function isPlainMetadata(metadata: Schema): boolean {
  const { properties, type: _type, description: _description, ...rest } = metadata;
  const names = Object.keys(properties ?? {});
  return (
    isJsonObject(rest) &&
    Object.keys(rest).length === 0 &&
    names.every((name) => name === "name" || name === "generateName")
  );
}
