import {
  type CelFunc,
  type CelInput,
  type CelList,
  type CelMap,
  CelScalar,
  type CelValue,
  celFunc,
  celMethod,
  isCelUint,
  listType,
  mapType,
} from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { hasFormat } from "../formats.ts";
import { parseQuantity, QUANTITY_SCALE } from "../quantity.ts";
import { compilePattern } from "../value-checks.ts";

const { BOOL, DOUBLE, DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);
/** URLs, quantities and optional values travel as maps with a key that no JSON field of a rule can name. */
const BOXED = mapType(STRING, DYN);

const box = (kind: string, value: CelInput, more: readonly (readonly [string, CelInput])[] = []) =>
  new Map<string, CelInput>([[`\u0000${kind}`, value], ...more]);

function unbox(value: CelMap, kind: string): CelValue | undefined {
  return value.get(`\u0000${kind}`);
}

/** What `oldSelf` is in a rule with optionalOldSelf. */
export function optionalValue(value: CelInput | undefined): CelInput {
  return value === undefined ? box("none", true) : box("some", value);
}

const optionals: CelFunc[] = [
  celMethod("hasValue", BOXED, [], BOOL, function () {
    return unbox(this, "some") !== undefined;
  }),
  celMethod("value", BOXED, [], DYN, function () {
    const held = unbox(this, "some");
    if (held === undefined) throw new Error("optional.none() dereference");
    return held as CelInput;
  }),
  celMethod("orValue", BOXED, [DYN], DYN, function (other) {
    return (unbox(this, "some") ?? other) as CelInput;
  }),
];

const lists: CelFunc[] = [
  celMethod("isSorted", LIST, [], BOOL, function () {
    const items = [...this];
    return items.every((item, index) => index === 0 || compare(items[index - 1], item) <= 0);
  }),
  celMethod("sum", LIST, [], DYN, function () {
    const items = [...this];
    if (items.every((item) => typeof item === "bigint")) return items.reduce((sum, item) => sum + item, 0n);
    return items.reduce<number>((sum, item) => sum + Number(item), 0);
  }),
  celMethod("min", LIST, [], DYN, function () {
    return extreme(this, -1, "min");
  }),
  celMethod("max", LIST, [], DYN, function () {
    return extreme(this, 1, "max");
  }),
  celMethod("indexOf", LIST, [DYN], INT, function (wanted) {
    return BigInt([...this].indexOf(wanted));
  }),
  celMethod("lastIndexOf", LIST, [DYN], INT, function (wanted) {
    return BigInt([...this].lastIndexOf(wanted));
  }),
];

const regexes: CelFunc[] = [
  celMethod("find", STRING, [STRING], STRING, function (pattern) {
    return regex(pattern).exec(this)?.[0] ?? "";
  }),
  celMethod("findAll", STRING, [STRING], LIST, function (pattern) {
    return [...this.matchAll(regex(pattern, "g"))].map((match) => match[0]);
  }),
  celMethod("findAll", STRING, [STRING, INT], LIST, function (pattern, limit) {
    const all = [...this.matchAll(regex(pattern, "g"))].map((match) => match[0]);
    return limit < 0n ? all : all.slice(0, Number(limit));
  }),
];

const urls: CelFunc[] = [
  celFunc("isURL", [STRING], BOOL, (text) => parsedUrl(text) !== undefined),
  celFunc("url", [STRING], BOXED, (text) => {
    if (parsedUrl(text) === undefined)
      throw new Error(`URL parse error during conversion from string: ${text}`);
    return box("url", text);
  }),
  urlPart("getScheme", (url, text) => (text.startsWith("/") ? "" : url.protocol.slice(0, -1))),
  urlPart("getHost", (url, text) => (text.startsWith("/") ? "" : url.host)),
  urlPart("getHostname", (url, text) => (text.startsWith("/") ? "" : url.hostname.replace(/^\[|\]$/g, ""))),
  urlPart("getPort", (url) => url.port),
  urlPart("getEscapedPath", (url) => url.pathname),
  celMethod("getQuery", BOXED, [], mapType(STRING, LIST), function () {
    const query = new Map<string, string[]>();
    for (const [key, value] of parsedUrl(String(unbox(this, "url")))?.searchParams ?? []) {
      query.set(key, [...(query.get(key) ?? []), value]);
    }
    return query;
  }),
];

const quantities: CelFunc[] = [
  celFunc("isQuantity", [STRING], BOOL, (text) => parseQuantity(text) !== undefined),
  celFunc("quantity", [STRING], BOXED, (text) => {
    const amount = parseQuantity(text);
    if (amount === undefined)
      throw new Error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
      );
    return box("quantity", amount);
  }),
  celMethod("isInteger", BOXED, [], BOOL, function () {
    return amount(this) % QUANTITY_SCALE === 0n;
  }),
  celMethod("asInteger", BOXED, [], INT, function () {
    if (amount(this) % QUANTITY_SCALE !== 0n) throw new Error("cannot convert value to integer");
    return amount(this) / QUANTITY_SCALE;
  }),
  celMethod("asApproximateFloat", BOXED, [], DOUBLE, function () {
    return Number(amount(this)) / Number(QUANTITY_SCALE);
  }),
  celMethod("sign", BOXED, [], INT, function () {
    return sign(amount(this));
  }),
  celMethod("add", BOXED, [DYN], BOXED, function (other) {
    return box("quantity", amount(this) + operand(other));
  }),
  celMethod("sub", BOXED, [DYN], BOXED, function (other) {
    return box("quantity", amount(this) - operand(other));
  }),
  celMethod("isGreaterThan", BOXED, [BOXED], BOOL, function (other) {
    return amount(this) > amount(other);
  }),
  celMethod("isLessThan", BOXED, [BOXED], BOOL, function (other) {
    return amount(this) < amount(other);
  }),
  celMethod("compareTo", BOXED, [BOXED], INT, function (other) {
    return sign(amount(this) - amount(other));
  }),
];

const addresses: CelFunc[] = [
  celFunc("isIP", [STRING], BOOL, (text) => hasFormat("ipv4", text) || hasFormat("ipv6", text)),
  celFunc("isCIDR", [STRING], BOOL, (text) => hasFormat("cidr", text)),
];

/** The functions that rules of CRDs may call beyond those of CEL itself (kubernetes.io, CEL in Kubernetes). */
export const KUBERNETES_FUNCTIONS: readonly CelFunc[] = [
  ...strings,
  ...optionals,
  ...lists,
  ...regexes,
  ...urls,
  ...quantities,
  ...addresses,
];

function urlPart(name: string, part: (url: URL, text: string) => string): CelFunc {
  return celMethod(name, BOXED, [], STRING, function () {
    const text = String(unbox(this, "url"));
    const url = parsedUrl(text);
    return url === undefined ? "" : part(url, text);
  });
}

function parsedUrl(text: string): URL | undefined {
  if (!/^([a-zA-Z][a-zA-Z0-9+.-]*:|\/)\S*$/.test(text)) return undefined;
  try {
    return new URL(text, "http://none.invalid");
  } catch {
    return undefined;
  }
}

function amount(value: CelMap): bigint {
  const held = unbox(value, "quantity");
  if (typeof held !== "bigint") throw new Error("no such overload");
  return held;
}

function operand(value: CelValue): bigint {
  return typeof value === "bigint" ? value * QUANTITY_SCALE : amount(value as CelMap);
}

function sign(value: bigint): bigint {
  return value > 0n ? 1n : value < 0n ? -1n : 0n;
}

function regex(pattern: string, flag = ""): RegExp {
  const compiled = compilePattern(pattern);
  if (compiled === undefined) throw new Error(`Illegal regex: ${pattern}`);
  return new RegExp(compiled.source, compiled.flags + flag);
}

function extreme(list: CelList, direction: 1 | -1, name: string): CelInput {
  const items = [...list];
  const [first, ...rest] = items;
  if (first === undefined) throw new Error(`${name} called on empty list`);
  return rest.reduce((best, item) => (compare(item, best) * direction > 0 ? item : best), first) as CelInput;
}

function compare(a: CelValue | undefined, b: CelValue | undefined): number {
  const left = comparable(a);
  const right = comparable(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

function comparable(value: CelValue | undefined): bigint | number | string {
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "string") return value;
  if (typeof value === "boolean") return Number(value);
  if (isCelUint(value)) return value.value;
  throw new Error("no such overload");
}
