/**
 * The shape of built-in kinds: a body is read as Go's decoder would read it into the kind's struct, so that a wrong
 * type is 400, an unknown field is named, null means absent, and empty lists and maps are left out.
 */

import { isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { setConditionalDefaults } from "../schema/builtin-defaults.ts";
import { applyDefaults } from "../schema/defaults.ts";
import { inUtc, timeFault } from "../schema/go-time.ts";
import { isDroppedWhenZero } from "../schema/go-zero.ts";
import { canonicalQuantity } from "../schema/quantity.ts";
import type { Schema } from "../schema/schema.ts";
import { badRequest } from "../status/status.ts";
import type { Codec } from "./definition.ts";

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

export function typedCodec(kind: string, version: string, apiVersion: string, schemaOf: () => Schema): Codec {
  let known: Schema | undefined;
  // Resolving all schemas costs more than starting the server: each waits for its first use.
  const schema = (): Schema => {
    known ??= schemaOf();
    return known;
  };
  return {
    get schema() {
      return schema();
    },
    decode(body) {
      const reader = new Reader(kind, version);
      const object = reader.fields(body, schema(), "");
      const metadata = isJsonObject(object["metadata"]) ? object["metadata"] : {};
      return {
        object: { ...object, kind, apiVersion, metadata } as KubeObject,
        unknown: reader.unknown.sort(depthFirst),
      };
    },
    applyDefaults(object) {
      setConditionalDefaults(kind, object);
      applyDefaults(object, schema());
    },
    validate: () => ({ causes: [], warnings: [] }),
  };
}

/** Go reports unknown fields of inner structs before those of the outer ones. */
function depthFirst(a: string, b: string): number {
  return b.split(".").length - a.split(".").length;
}

class Reader {
  readonly unknown: string[] = [];
  readonly #kind: string;
  readonly #version: string;

  constructor(kind: string, version: string) {
    this.#kind = kind;
    this.#version = version;
  }

  fields(value: JsonObject, schema: Schema, path: string): JsonObject {
    const result: JsonObject = {};
    const properties = schema.properties ?? {};
    for (const key of Object.keys(value)) {
      const fieldPath = path === "" ? key : `${path}.${key}`;
      const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (property === undefined) {
        this.unknown.push(fieldPath);
        continue;
      }
      const read = this.#value(value[key], property, fieldPath);
      if (read === undefined) continue;
      // An empty managedFields is a wish: start over with the owners.
      if (fieldPath !== "metadata.managedFields" && isDroppedWhenZero(key, read, property, schema)) continue;
      result[key] = read;
    }
    return result;
  }

  #value(value: unknown, schema: Schema, path: string): unknown {
    if (value === null || value === undefined) return undefined;
    if (schema["x-kubernetes-int-or-string"] === true) {
      if (typeof value === "string" || Number.isInteger(value)) return value;
      throw this.#wrongType(value, path, "IntOrString");
    }
    if (schema["x-kubernetes-preserve-unknown-fields"] === true) return value;
    switch (schema.type) {
      case "string":
        return this.#text(value, schema, path);
      case "integer":
        if (typeof value === "number" && Number.isInteger(value)) return value;
        throw this.#wrongType(value, path, schema.format ?? "int64");
      case "number":
        if (typeof value === "number") return value;
        throw this.#wrongType(value, path, "float64");
      case "boolean":
        if (typeof value === "boolean") return value;
        throw this.#wrongType(value, path, "bool");
      case "array":
        if (!Array.isArray(value)) throw this.#wrongType(value, path, "slice");
        return value.map(
          (item, index) => this.#value(item, schema.items ?? {}, `${path}[${index}]`) ?? zero(schema.items),
        );
      case "object":
        if (!isJsonObject(value)) throw this.#wrongType(value, path, "map[string]string");
        if (typeof schema.additionalProperties === "object")
          return this.#map(value, schema.additionalProperties, path);
        return schema.properties === undefined ? value : this.fields(value, schema, path);
      default:
        return value;
    }
  }

  #map(value: JsonObject, schema: Schema, path: string): JsonObject {
    const entries = Object.keys(value).map((key): [string, unknown] => [
      key,
      this.#value(value[key], schema, `${path}.${key}`) ?? zero(schema),
    ]);
    return Object.fromEntries(entries);
  }

  #text(value: unknown, schema: Schema, path: string): string {
    if (isQuantity(path) && (typeof value === "number" || typeof value === "string")) {
      return canonicalQuantity(String(value)) ?? String(value);
    }
    if (typeof value !== "string")
      throw this.#wrongType(value, path, schema.format === "byte" ? "[]uint8" : "string");
    if (schema.format === "byte") {
      const plain = value.replace(/[\r\n]/g, "");
      if (plain.length % 4 !== 0 || !BASE64.test(plain))
        throw this.#refuse("illegal base64 data at input byte 0");
      return value;
    }
    if (schema.format === "date-time") {
      const micro = (schema as { "x-micro-time"?: boolean })["x-micro-time"] === true;
      const fault = timeFault(value, micro);
      if (fault !== undefined) throw this.#refuse(fault);
      // Times are kept in UTC with whole seconds, as Go writes them.
      return micro ? inUtc(value) : `${new Date(value).toISOString().slice(0, 19)}Z`;
    }
    return value;
  }

  #wrongType(value: unknown, path: string, expected: string) {
    const found = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
    const place = path.startsWith("metadata.") ? `ObjectMeta.${path}` : `${this.#kind}.${path}`;
    return this.#refuse(`json: cannot unmarshal ${found} into Go struct field ${place} of type ${expected}`);
  }

  #refuse(why: string) {
    return badRequest(
      `${this.#kind} in version ${JSON.stringify(this.#version)} cannot be handled as a ${this.#kind}: ${why}`,
    );
  }
}

/** Amounts of resources may be written as numbers. */
function isQuantity(path: string): boolean {
  return /\.(limits|requests|capacity|allocatable|hard|sizeLimit)(\.|$)/.test(path);
}

/** What Go leaves where a list or a map holds null. */
function zero(schema: Schema | undefined): unknown {
  switch (schema?.type) {
    case "string":
      return "";
    case "integer":
    case "number":
      return 0;
    case "boolean":
      return false;
    case "array":
      return [];
    default:
      return {};
  }
}
