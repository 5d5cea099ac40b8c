import { isIP, isIPv4, isIPv6 } from "node:net";

type Check = (text: string) => boolean;

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?([0-9a-f])[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const uuid =
  (version?: string): Check =>
  (text) => {
    const match = UUID.exec(text);
    return match !== null && (version === undefined || match[1] === version);
  };
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/**
 * String formats that a CRD's schema may name and that are checked; every other one is ignored, as on the real
 * server (apiextensions-apiserver, supported formats).
 */
const CHECKS: Readonly<Record<string, Check>> = {
  bsonobjectid: (text) => /^[0-9a-fA-F]{24}$/.test(text),
  uri: (text) => /^[a-zA-Z][a-zA-Z0-9+.-]*:\S+$/.test(text) || /^\/\S*$/.test(text),
  email: (text) => /^[^\s@<>]+@[^\s@<>]+$/.test(text),
  hostname: (text) =>
    text.length <= 255 &&
    text.split(".").every((label) => /^[a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?$/.test(label)),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: (text) =>
    /^([0-9a-fA-F]{2}([:-]))([0-9a-fA-F]{2}\2){4}[0-9a-fA-F]{2}$/.test(text) ||
    /^([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}$/.test(text),
  uuid: uuid(),
  uuid3: uuid("3"),
  uuid4: uuid("4"),
  uuid5: uuid("5"),
  isbn10: (text) => /^\d{9}[\dX]$/.test(text.replaceAll(/[- ]/g, "")),
  isbn13: (text) => /^\d{13}$/.test(text.replaceAll(/[- ]/g, "")),
  isbn: (text) => /^(\d{9}[\dX]|\d{13})$/.test(text.replaceAll(/[- ]/g, "")),
  creditcard: (text) => /^\d{12,19}$/.test(text.replaceAll(/[- ]/g, "")),
  ssn: (text) => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
  hexcolor: (text) => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text),
  rgbcolor: (text) => /^rgb\(\s*(\d{1,3}%?)\s*,\s*(\d{1,3}%?)\s*,\s*(\d{1,3}%?)\s*\)$/.test(text),
  byte: (text) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text),
  date: (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && isCalendarDay(text),
  "date-time": isDateTime,
  datetime: isDateTime,
  duration: (text) => parseDuration(text) !== undefined,
  "k8s-short-name": (text) => text.length <= 63 && DNS_LABEL.test(text),
  "k8s-long-name": (text) => text.length <= 253 && text.split(".").every((label) => DNS_LABEL.test(label)),
};

export function isSupportedFormat(format: string): boolean {
  return Object.hasOwn(CHECKS, format) || format === "password";
}

/** Does the text have the format? Formats that nobody checks fit anything. */
export function hasFormat(format: string, text: string): boolean {
  const check = Object.hasOwn(CHECKS, format) ? CHECKS[format] : undefined;
  return check === undefined || check(text);
}

function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  const family = isIP(address);
  return (
    rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
  );
}

function isDateTime(text: string): boolean {
  const match =
    /^(\d{4}-\d{2}-\d{2})[Tt ]([0-2]\d):([0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})?$/.exec(text);
  return match !== null && isCalendarDay(match[1] ?? "") && Number(match[2]) < 24;
}

function isCalendarDay(day: string): boolean {
  const time = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}

const UNIT_NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  nano: 1n,
  nanosecond: 1n,
  us: 1_000n,
  µs: 1_000n,
  micro: 1_000n,
  microsecond: 1_000n,
  ms: 1_000_000n,
  milli: 1_000_000n,
  millisecond: 1_000_000n,
  s: 1_000_000_000n,
  sec: 1_000_000_000n,
  second: 1_000_000_000n,
  m: 60_000_000_000n,
  min: 60_000_000_000n,
  minute: 60_000_000_000n,
  h: 3_600_000_000_000n,
  hr: 3_600_000_000_000n,
  hour: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  day: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
  wk: 604_800_000_000_000n,
  week: 604_800_000_000_000n,
};

/** Nanoseconds of a duration as Go writes it (`1h30m`), or with a unit in words (`5 minutes`). */
export function parseDuration(text: string): bigint | undefined {
  if (/^[+-]?0$/.test(text)) return 0n;
  const body = text.replace(/^[+-]/, "");
  const parts = [...body.matchAll(/(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-zµ]+)\s*/gy)];
  if (parts.length === 0 || parts.reduce((sum, part) => sum + part[0].length, 0) !== body.length)
    return undefined;
  let total = 0n;
  for (const [, amount = "", word = ""] of parts) {
    const unit = UNIT_NANOSECONDS[word] ?? UNIT_NANOSECONDS[word.toLowerCase().replace(/s$/, "")];
    if (unit === undefined) return undefined;
    const [whole = "", fraction = ""] = amount.split(".");
    const digits = fraction.slice(0, 9);
    total += BigInt(whole || "0") * unit + (BigInt(digits || "0") * unit) / 10n ** BigInt(digits.length);
  }
  return text.startsWith("-") ? -total : total;
}
