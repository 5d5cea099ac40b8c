/** Compares an answer with the recorded one, by the rules of the recordings' README ("How to compare"). */

import { parse as parseYaml } from "yaml";
import type { Bindings } from "./placeholders.ts";
import type { Json, Kept, RecordedResponse } from "./recording.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

type JsonObject = { readonly [key: string]: Json };

/** Texts that name Go types or parsers of another language: no other program can say them word for word. */
const PARSER_MESSAGE =
  /cannot unmarshal|Go struct|Go value|yaml: |converting YAML|invalid character|looking for beginning|unexpected end of JSON|unexpected EOF|strconv\.|\.go:|typed patch object|json: |illegal base64|couldn't get version\/kind|expected pointer|v1\.\w+\{|unable to decode|Object 'Kind' is missing|structured-merge/;

export interface CompareOptions {
  readonly kept?: Kept;
}

export function compareAnswer(
  expected: RecordedResponse,
  actual: Answer,
  bindings: Bindings,
  options: CompareOptions = {},
): string[] {
  const differences: string[] = [];
  if (expected.status !== actual.status) {
    differences.push(
      `status: expected ${expected.status}, got ${actual.status}: ${actual.text.slice(0, 300)}`,
    );
    return differences;
  }
  for (const name of ["Content-Type", "Warning", "Retry-After"])
    compareHeader(name, expected, actual, differences);
  if (expected.bodyText !== undefined && String(expected.headers["Content-Type"]).includes("yaml")) {
    compareJson(parseYaml(expected.bodyText), parseYaml(actual.text), "", bindings, differences, options);
  } else if (expected.bodyText !== undefined) {
    if (!isCut(expected.bodyText) && !PARSER_MESSAGE.test(expected.bodyText)) {
      const problem = bindings.match(expected.bodyText.trimEnd(), actual.text.trimEnd());
      if (problem !== undefined) differences.push(`body: ${problem.slice(0, 600)}`);
    }
  } else if (expected.body !== undefined) {
    const body = parse(actual.text);
    if (body === undefined) differences.push(`body: not JSON: ${actual.text.slice(0, 200)}`);
    else compareJson(expected.body, body, "", bindings, differences, withCutObject(expected.body, options));
  }
  return differences;
}

/** An object without apiVersion was cut in the recording: no server answers one. */
function withCutObject(body: Json, options: CompareOptions): CompareOptions {
  if (!isObject(body)) return options;
  const cut =
    ("kind" in body && "metadata" in body && !("apiVersion" in body)) || Object.values(body).some(isCut);
  return cut && options.kept !== "items" ? { kept: "fields" } : options;
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined; // The caller reports it as a difference.
  }
}

function compareHeader(
  name: string,
  expected: RecordedResponse,
  actual: Answer,
  differences: string[],
): void {
  const want = expected.headers[name];
  const got = actual.headers[name.toLowerCase()];
  const gotText = Array.isArray(got) ? got.join(", ") : got;
  if (name === "Warning" && want !== undefined && PARSER_MESSAGE.test(String(want))) return;
  const wantText = Array.isArray(want) ? want.join(", ") : want;
  if (wantText !== gotText) {
    differences.push(`header ${name}: expected ${JSON.stringify(want)}, got ${JSON.stringify(gotText)}`);
  }
}

export function compareJson(
  expected: Json,
  actual: Json | undefined,
  where: string,
  bindings: Bindings,
  differences: string[],
  options: CompareOptions = {},
): void {
  if (actual === undefined) {
    differences.push(`${where || "body"}: missing, expected ${JSON.stringify(expected).slice(0, 200)}`);
  } else if (isCut(expected) || (where.includes(".cells[") && areAges(expected, actual))) {
    return;
  } else if (typeof expected === "string" && typeof actual === "string") {
    compareText(expected, actual, where, bindings, differences);
  } else if (Array.isArray(expected) && Array.isArray(actual) && options.kept === "items") {
    for (const [index, item] of expected.entries()) {
      const found = actual.find((candidate) => nameOf(candidate) === nameOf(item));
      compareJson(item, found, `${where}[${index}]`, bindings, differences, options);
    }
  } else if (where.endsWith(".managedFields") && Array.isArray(expected) && Array.isArray(actual)) {
    // Their order is that of their times, which are not compared.
    compareList(byManager(expected), byManager(actual), where, bindings, differences, options);
  } else if (Array.isArray(expected) && Array.isArray(actual)) {
    compareList(expected, actual, where, bindings, differences, options);
  } else if (isObject(expected) && isObject(actual)) {
    compareObject(expected, actual, where, bindings, differences, options);
  } else if (
    typeof expected === "string" &&
    /^<n>$|^<nodePort>$/.test(expected) &&
    typeof actual === "number"
  ) {
    return;
  } else if (expected !== actual) {
    differences.push(
      `${where}: expected ${JSON.stringify(expected).slice(0, 300)}, got ${JSON.stringify(actual).slice(0, 300)}`,
    );
  }
}

function byManager(entries: readonly Json[]): Json[] {
  const key = (entry: Json): string => {
    const { manager, operation, apiVersion, subresource } = (isObject(entry) ? entry : {}) as JsonObject;
    return JSON.stringify([manager, operation, apiVersion, subresource]);
  };
  return [...entries].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function compareList(
  expected: readonly Json[],
  actual: readonly Json[],
  where: string,
  bindings: Bindings,
  differences: string[],
  options: CompareOptions,
): void {
  if (expected.length !== actual.length) {
    differences.push(
      `${where}: expected ${expected.length} items, got ${actual.length}: ${JSON.stringify(actual).slice(0, 300)}`,
    );
  }
  for (const [index, item] of expected.entries()) {
    if (index < actual.length)
      compareJson(item, actual[index], `${where}[${index}]`, bindings, differences, options);
  }
}

/** The recording kept nothing of this: `<cut>`, `<base64 of 1048576 times a>`, `<protobuf …>`. */
function isCut(expected: Json): boolean {
  return (
    typeof expected === "string" && /^<(cut|trimmed|base64|protobuf|discovery)[^<>]*>$/.test(expected.trim())
  );
}

const AGE = /^(\d+[smhdy])+$/;

/** Ages depend on the hour of the day and on how fast the steps follow each other. */
function areAges(expected: Json, actual: Json): boolean {
  return typeof expected === "string" && typeof actual === "string" && AGE.test(expected) && AGE.test(actual);
}

/** What tells the items of a list apart that was cut in the recording. */
function nameOf(item: Json): string {
  if (!isObject(item)) return JSON.stringify(item);
  const metadata = item["metadata"];
  if (isObject(metadata) && Object.keys(metadata).length === 0) return "the core group";
  const name = (isObject(metadata) ? metadata["name"] : undefined) ?? item["name"] ?? item["resource"];
  return JSON.stringify(name ?? item["version"] ?? item["groupVersion"] ?? item);
}

function compareObject(
  expected: JsonObject,
  actual: JsonObject,
  where: string,
  bindings: Bindings,
  differences: string[],
  options: CompareOptions,
): void {
  // Names of fields hold placeholders too: the keys of managedFields name uids.
  const filled = new Map(
    Object.entries(expected)
      .filter(([key, value]) => !(key === "rest" && isCut(value)))
      .map(([key, value]) => [bindings.fill(key).text, value]),
  );
  for (const [key, value] of filled) {
    if (key === "storageVersionHash") continue;
    if (key === "time" && where.includes("managedFields")) {
      if (actual[key] === undefined) differences.push(`${where}.time: missing`);
      continue;
    }
    if (key === "itemNames") {
      compareNames(value, actual["items"], where, differences);
    } else if (key === "n" && typeof value === "number" && Array.isArray(actual["items"])) {
      if (actual["items"].length !== value) {
        differences.push(`${where}.items: expected ${value}, got ${actual["items"].length}`);
      }
    } else if (
      key === "resourceVersion" &&
      isCollection(expected) &&
      isLaterRevision(value, actual[key], bindings)
    ) {
      // Others write too: a list may be newer than it was in the recording.
    } else if (key === "resourceVersion" && !isCollection(expected) && typeof value === "string") {
      const problem = bindings.match(value, String(actual[key]), true);
      if (problem !== undefined) differences.push(`${where}.${key}: ${problem}`);
    } else {
      compareJson(value, actual[key], `${where}.${key}`, bindings, differences, options);
    }
  }
  if (options.kept === "fields" || options.kept === "items") return;
  const cut = "itemNames" in expected || (typeof expected["n"] === "number" && "items" in actual);
  for (const key of Object.keys(actual)) {
    if (filled.has(key) || key === "storageVersionHash") continue;
    if (cut && (key === "items" || key === "metadata" || key === "apiVersion")) continue;
    if (key === "time" && where.includes("managedFields")) differences.push(`${where}.time: not expected`);
    else differences.push(`${where}.${key}: not expected, got ${JSON.stringify(actual[key]).slice(0, 200)}`);
  }
}

/** The metadata of a list or a table: has no name. */
function isCollection(metadata: JsonObject): boolean {
  return metadata["name"] === undefined && metadata["uid"] === undefined;
}

function isLaterRevision(expected: Json | undefined, actual: Json | undefined, bindings: Bindings): boolean {
  if (typeof expected !== "string" || typeof actual !== "string" || !/^\d+$/.test(actual)) return false;
  const known = bindings.get(expected.slice(1, -1));
  return known !== undefined && /^\d+$/.test(known) && BigInt(actual) >= BigInt(known);
}

function compareText(
  expected: string,
  actual: string,
  where: string,
  bindings: Bindings,
  differences: string[],
): void {
  if (/message$/i.test(where) && PARSER_MESSAGE.test(expected)) return;
  const problem = bindings.match(withoutDump(expected), withoutDump(actual));
  if (problem !== undefined) differences.push(`${where}: ${problem.slice(0, 900)}`);
}

/** The text after `Invalid value:` where it dumps a whole object differs between programs. */
export function withoutDump(text: string): string {
  return text.replace(
    /Invalid value: (\{|map\[|\\"\{|"\{|"map\[|&|v1\.|[a-z]+\.[A-Z]\w+\{)[\s\S]*?(: (?=[A-Za-z])|$)/g,
    "Invalid value: …$2",
  );
}

function compareNames(expected: Json, items: Json | undefined, where: string, differences: string[]): void {
  const names = Array.isArray(items)
    ? items.map((item) =>
        isObject(item) && isObject(item["metadata"]) ? item["metadata"]["name"] : undefined,
      )
    : undefined;
  if (JSON.stringify(names) !== JSON.stringify(expected)) {
    differences.push(`${where}.items: expected ${JSON.stringify(expected)}, got ${JSON.stringify(names)}`);
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
