/** From a request body to an object of the resource: media type, syntax, kind, unknown fields. */

import { type Document, isScalar, LineCounter, parseAllDocuments, parseDocument, visit } from "yaml";
import { parseJson } from "../http/json.ts";
import { decodeProtobuf } from "../http/protobuf.ts";
import { isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { type FieldValidation, groupVersion, type ResourceDefinition } from "../resources/definition.ts";
import type { Registry } from "../resources/registry.ts";
import { ApiError, badRequest, invalid, invalidValue } from "../status/status.ts";

export interface Body {
  readonly bytes: Buffer;
  readonly contentType: string | undefined;
}

const ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/** JSON or YAML by the Content-Type; without one, JSON. */
function bodyFormat(contentType: string | undefined): "json" | "yaml" | "protobuf" {
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (type === "" || type === "application/json") return "json";
  if (type === "application/yaml") return "yaml";
  if (type === "application/vnd.kubernetes.protobuf") return "protobuf";
  throw unknownFormat();
}

function unknownFormat(): ApiError {
  return new ApiError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${ACCEPTED}`,
  );
}

export interface ParsedBody {
  readonly value: JsonObject;
  readonly duplicates: readonly string[];
  /** What else is to be warned of. */
  readonly findings?: readonly string[];
}

/** Parses a body by its Content-Type; `expected` is the kind that messages name. */
export function readBodyAs(body: Body, expected: string): ParsedBody {
  const format = bodyFormat(body.contentType);
  if (format !== "protobuf") return parseBody(body.bytes.toString("utf8"), format, expected);
  const value = decodeProtobuf(body.bytes);
  if (value === undefined) throw unknownFormat();
  return { value, duplicates: [] };
}

/** Parses the text; `expected` is the kind that messages name. */
export function parseBody(text: string, format: "json" | "yaml", expected: string): ParsedBody {
  const prefix = expected === "" ? "" : `the object provided is unrecognized (must be of type ${expected}): `;
  const parsed = format === "json" ? parseJsonText(text, prefix) : parseYamlText(text, prefix);
  if (!isJsonObject(parsed.value)) {
    throw badRequest(
      `${prefix}couldn't get version/kind; json parse error: json: cannot unmarshal ${Array.isArray(parsed.value) ? "array" : typeof parsed.value} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (${Buffer.from(text).toString("hex").slice(0, 100)})`,
    );
  }
  return { ...parsed, value: parsed.value };
}

function parseJsonText(
  text: string,
  prefix: string,
): { value: unknown; duplicates: readonly string[]; findings?: readonly string[] } {
  try {
    return parseJson(text);
  } catch (error) {
    const why =
      text.trim() === "" || /end of JSON|Unterminated/.test(String(error))
        ? "unexpected end of JSON input"
        : "invalid character in JSON input";
    const shown = prefix === "" ? "" : ` (${text === "" ? "<empty>" : text.slice(0, 100)})`;
    throw badRequest(`${prefix}couldn't get version/kind; json parse error: ${why}${shown}`);
  }
}

/** YAML 1.1, as Kubernetes reads it: an unquoted `y` is a boolean. */
export function parseYamlText(
  text: string,
  prefix: string,
): { value: unknown; duplicates: readonly string[]; findings: readonly string[] } {
  const lines = new LineCounter();
  const options = { version: "1.1", uniqueKeys: false, schema: "yaml-1.1", lineCounter: lines } as const;
  // Of several documents only the first is read.
  const [first] = parseAllDocuments(text, options);
  const document = first ?? parseDocument(text, options);
  const problem = document.errors[0];
  if (problem !== undefined) {
    throw badRequest(
      `${prefix}yaml: ${problem.message.split("\n")[0]} (${Buffer.from(text).toString("hex").slice(0, 100)})`,
    );
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  return { value: plain(value), duplicates: [], findings: repeatedKeys(document, lines) };
}

/** Keys that stand twice in a map, in the words of the YAML parser of Kubernetes. */
function repeatedKeys(document: Document.Parsed | Document, lines: LineCounter): string[] {
  const findings: string[] = [];
  visit(document, {
    Map(_key, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) {
          const { line } = lines.linePos(key.range?.[0] ?? 0);
          findings.push(`line ${line}: key ${JSON.stringify(key.value)} already set in map`);
        }
        seen.add(key.value);
      }
    },
  });
  return findings;
}

/** What YAML has beyond JSON: dates become text, maps with other keys objects. */
function plain(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString().replace(".000Z", "Z");
  if (Array.isArray(value)) return value.map(plain);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

/** Takes the body over as an object of the resource; what it does not know goes into `warnings` or is refused. */
export function decodeObject(
  registry: Registry,
  definition: ResourceDefinition,
  body: ParsedBody,
  validation: FieldValidation,
  warnings: string[],
): KubeObject {
  checkKind(registry, definition, body.value);
  const { object, unknown } = definition.codec.decode(body.value);
  const findings = [
    ...(body.findings ?? []),
    ...body.duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
  ];
  if (validation === "Strict" && findings.length > 0) {
    throw badRequest(
      `${definition.kind} in version ${JSON.stringify(definition.version)} cannot be handled as a ${definition.kind}: strict decoding error: ${findings.join(", ")}`,
    );
  }
  if (validation === "Warn") warnings.push(...findings);
  return object;
}

/** A custom resource under the kind of another. */
export function wrongKind(definition: ResourceDefinition, kind: string, name: string): ApiError {
  return invalid({ group: definition.group, kind }, name, [
    invalidValue("kind", kind, `must be ${definition.kind}`),
  ]);
}

export function checkKind(registry: Registry, definition: ResourceDefinition, value: JsonObject): void {
  const kind = typeof value["kind"] === "string" ? value["kind"] : "";
  const apiVersion = typeof value["apiVersion"] === "string" ? value["apiVersion"] : "";
  const own = groupVersion(definition);
  if (definition.custom) {
    if (kind === "") throw badRequest(`Object 'Kind' is missing in '${JSON.stringify(value)}'`);
    if (apiVersion !== own) {
      throw badRequest(
        `the API version in the data (${apiVersion}) does not match the expected API version (${own})`,
      );
    }
    if (kind !== definition.kind) {
      const { name } = isJsonObject(value["metadata"]) ? value["metadata"] : {};
      throw wrongKind(definition, kind, typeof name === "string" ? name : "");
    }
    return;
  }
  // Built-in kinds may leave both out.
  const saidKind = kind === "" ? definition.kind : kind;
  const saidVersion = apiVersion === "" ? own : apiVersion;
  if (saidKind === definition.kind && saidVersion === own) return;
  const version = saidVersion.split("/").pop() ?? "";
  const base = `${saidKind} in version ${JSON.stringify(version)} cannot be handled as a ${definition.kind}`;
  if (registry.byKind(saidVersion, saidKind) === undefined) {
    throw badRequest(
      `${base}: no kind ${JSON.stringify(saidKind)} is registered for version ${JSON.stringify(saidVersion)} in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"`,
    );
  }
  throw badRequest(
    `${base}: converting (${version}.${saidKind}) to (${definition.group === "" ? "core" : definition.group.split(".")[0]}.${definition.kind}): unknown conversion`,
  );
}
