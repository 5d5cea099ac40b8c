/** Times as Go reads them, with its words for what does not fit. */

type Part = readonly [name: string, pattern: RegExp];

const PARTS: readonly Part[] = [
  ["2006", /^\d{4}/],
  ["-", /^-/],
  ["01", /^\d{2}/],
  ["-", /^-/],
  ["02", /^\d{2}/],
  ["T", /^T/],
  ["15", /^\d{2}/],
  [":", /^:/],
  ["04", /^\d{2}/],
  [":", /^:/],
  ["05", /^\d{2}/],
];
const ZONE: Part = ["Z07:00", /^(Z|[+-]\d{2}:\d{2})/];
const LAYOUT = "2006-01-02T15:04:05";

/**
 * Why `text` is no time of RFC 3339; undefined when it is one.
 *
 * @param micro exactly six digits of a second are wanted; otherwise any number of them is fine
 */
export function timeFault(text: string, micro: boolean): string | undefined {
  const fraction: Part = micro ? [".000000", /^\.\d{6}/] : ["", /^(\.\d+)?/];
  const layout = `${LAYOUT}${micro ? ".000000" : ""}Z07:00`;
  const head = `parsing time ${JSON.stringify(text)}`;
  let rest = text;
  for (const [name, pattern] of [...PARTS, fraction, ZONE]) {
    const match = pattern.exec(rest);
    if (match === null) {
      return `${head} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(name)}`;
    }
    rest = rest.slice(match[0].length);
  }
  if (rest !== "") return `${head}: extra text: ${JSON.stringify(rest)}`;
  const out = outOfRange(text);
  return out === undefined ? undefined : `${head}: ${out} out of range`;
}

function outOfRange(text: string): string | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (text.match(/\d+/g) ?? []).map(
    Number,
  );
  if (month < 1 || month > 12) return "month";
  if (hour > 23) return "hour";
  if (minute > 59) return "minute";
  if (second > 59) return "second";
  return day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate() ? "day" : undefined;
}

/** The same moment in UTC, with the fraction as it was written. */
export function inUtc(text: string): string {
  if (text.endsWith("Z")) return text;
  const fraction = /\.\d+/.exec(text)?.[0] ?? "";
  return `${new Date(text).toISOString().slice(0, 19)}${fraction}Z`;
}
