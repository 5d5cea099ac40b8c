import { type CelInput, type CelResult, celEnv, isCelError, parse, plan } from "@bufbuild/cel";
import { isJsonObject, type JsonObject } from "../../object.ts";
import { parseDuration } from "../formats.ts";
import { fieldSchema, type Schema } from "../schema.ts";

/** Words that CEL keeps for itself: a property of that name is written with underscores around it. */
const RESERVED = new Set([
  "true",
  "false",
  "null",
  "in",
  "as",
  "break",
  "const",
  "continue",
  "else",
  "for",
  "function",
  "if",
  "import",
  "let",
  "loop",
  "package",
  "namespace",
  "return",
  "var",
  "void",
  "while",
]);

/** A property's name as rules write it: `x-y` is `x__dash__y`, `namespace` is `__namespace__`. */
export function escapedName(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
}

/**
 * A JSON value as CEL sees it through its schema: integers are int, whole numbers of type number are double,
 * date-times and durations have their own types, objects show only the fields that the schema declares.
 */
export function celValue(value: unknown, schema: Schema | undefined): CelInput {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map((item) => celValue(item, schema?.items));
  if (isJsonObject(value)) return celObject(value, schema);
  if (typeof value === "string") return celString(value, schema?.format);
  if (typeof value === "number") {
    if (schema?.type === "number") return value;
    return Number.isInteger(value) ? BigInt(value) : value;
  }
  return value as CelInput;
}

function celObject(value: JsonObject, schema: Schema | undefined): CelInput {
  const dynamic = schema === undefined || schema["x-kubernetes-preserve-unknown-fields"] === true;
  const isMap = schema?.properties === undefined;
  const entries = new Map<string, CelInput>();
  for (const key of Object.keys(value)) {
    const field = fieldSchema(schema, key);
    if (field === undefined && !dynamic) continue;
    entries.set(isMap ? key : escapedName(key), celValue(value[key], field));
  }
  return entries;
}

function celString(text: string, format: string | undefined): CelInput {
  switch (format) {
    case "date":
      return converted(toTimestamp, `${text}T00:00:00Z`) ?? text;
    case "date-time":
    case "datetime":
      return converted(toTimestamp, text) ?? text;
    case "duration": {
      const nanoseconds = parseDuration(text);
      return nanoseconds === undefined ? text : (converted(toDuration, `${nanoseconds}ns`) ?? text);
    }
    case "byte":
      return new Uint8Array(Buffer.from(text, "base64"));
    default:
      return text;
  }
}

const plain = celEnv();
const toTimestamp = plan(plain, parse("timestamp(text)"));
const toDuration = plan(plain, parse("duration(text)"));

/** The library's own conversions make its own values; undefined when the text is none. */
function converted(convert: (bindings: { text: string }) => CelResult, text: string): CelInput | undefined {
  const result = convert({ text });
  return isCelError(result) ? undefined : (result as CelInput);
}
