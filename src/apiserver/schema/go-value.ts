import { isJsonObject } from "../object.ts";

/** Names and texts that the messages of a Kubernetes API server give to JSON values. */

/** A value as it stands after `Invalid value: `. */
export function shown(value: unknown): string {
  return value === undefined ? "null" : JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(sorted);
  if (!isJsonObject(value)) return value;
  const entries = Object.keys(value)
    .sort()
    .map((key) => [key, sorted(value[key])] as const);
  return Object.fromEntries(entries);
}

export interface ValueKind {
  /** JSON schema type. */
  readonly type: "array" | "boolean" | "integer" | "null" | "number" | "object" | "string";
  /** The Go type behind a number, empty for the rest. */
  readonly format: "" | "float64" | "int64";
}

export function kindOf(value: unknown): ValueKind {
  if (value === null || value === undefined) return { type: "null", format: "" };
  if (Array.isArray(value)) return { type: "array", format: "" };
  switch (typeof value) {
    case "string":
      return { type: "string", format: "" };
    case "boolean":
      return { type: "boolean", format: "" };
    case "bigint":
      return { type: "integer", format: "int64" };
    case "number":
      return Number.isInteger(value)
        ? { type: "integer", format: "int64" }
        : { type: "number", format: "float64" };
    default:
      return { type: "object", format: "" };
  }
}

/** Path of a member below a path, in the form `spec.keys[0].from`. */
export function childPath(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  return path === "" ? key : `${path}.${key}`;
}
