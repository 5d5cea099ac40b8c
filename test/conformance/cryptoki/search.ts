/** Compares what C_FindObjects found, and tells apart the objects that a story sees for the first time. */
import { decode } from "./decode.ts";
import type { Player } from "./player.ts";
import { isList, isObject, type Json, type RecordedLine } from "./recording.ts";
import type { Symbols } from "./symbols.ts";

export interface SearchContext {
  readonly player: Player;
  readonly symbols: Symbols;
  /** The line that uses a symbol and those after it, for what they tell of the object. */
  readonly lines: readonly RecordedLine[];
  readonly lane: number;
}

/** A gap in a long list of handles. */
const ELISION = "\u2026";

export function compareSearch(
  line: RecordedLine,
  out: Readonly<Record<string, unknown>>,
  symbols: Symbols,
): readonly string[] {
  const recorded = recordedHandles(line);
  const actual = Array.isArray(out["handles"]) ? out["handles"].map(String) : [];
  const count = Number(line.out?.["count"]);
  if (actual.length !== count) return [`${actual.length} objects found, recorded ${count}`];
  if (recorded.length !== actual.length) {
    // A list with a gap whose symbols cannot be told: what stands at both ends is bound by its place.
    bindEnds(line, actual, symbols);
    return [];
  }
  const found = actual.map((number) => symbols.symbol("h", number));
  const isBound = (symbol: string): boolean => symbol === "h0" || symbols.isCurrent(symbol);
  const differences = [
    ...recorded
      .filter((symbol) => isBound(symbol) && !found.includes(symbol))
      .map((symbol) => `${symbol} was not found`),
    ...found
      .filter((symbol) => symbol !== undefined && !recorded.includes(symbol))
      .map((symbol) => `${symbol ?? ""} was found, and is not in the recording`),
    ...symbols.refine({ symbols: recorded, numbers: actual }),
  ];
  if (differences.length > 0) return differences;
  symbols.addGroup({
    symbols: recorded.filter((symbol) => !isBound(symbol) && symbols.groupOf(symbol) === undefined),
    numbers: actual.filter(
      (number) => symbols.symbol("h", number) === undefined && !symbols.hasGroupedNumber(number),
    ),
  });
  return [];
}

/** The symbols found, with the gap of a long list filled where its numbering leaves no doubt. */
function recordedHandles(line: RecordedLine): readonly string[] {
  const list = line.out?.["handles"];
  const handles = isList(list) ? list.map(String) : [];
  const gap = handles.indexOf(ELISION);
  if (gap < 0) return handles;
  const before = handles.slice(0, gap);
  const after = handles.slice(gap + 1);
  const from = index(before.at(-1));
  const to = index(after[0]);
  const missing = Number(line.out?.["count"]) - before.length - after.length;
  if (to - from - 1 !== missing) return handles;
  const between = Array.from({ length: missing }, (_, k) => `h${from + 1 + k}`);
  return between.some((symbol) => handles.includes(symbol)) ? handles : [...before, ...between, ...after];
}

function index(symbol: string | undefined): number {
  return Number(symbol?.slice(1));
}

function bindEnds(line: RecordedLine, actual: readonly string[], symbols: Symbols): void {
  const list = line.out?.["handles"];
  const handles = isList(list) ? list.map(String) : [];
  const gap = handles.indexOf(ELISION);
  for (const [place, symbol] of handles.entries()) {
    if (symbol === ELISION || symbol === "h0" || symbols.isCurrent(symbol)) continue;
    const number = actual[place < gap ? place : actual.length - handles.length + place];
    if (number !== undefined && symbols.symbol("h", number) === undefined) symbols.bind(symbol, number);
  }
}

/**
 * Decides which of the objects found together a symbol is, before the story uses it: by what the story reads from it
 * later (class, label, application), else by its place. The order of a search is the module's own affair.
 */
export async function settleSymbol(symbol: string, context: SearchContext): Promise<void> {
  const { symbols } = context;
  const group = symbols.groupOf(symbol);
  if (group === undefined) return;
  const place = group.symbols.indexOf(symbol);
  const candidates = [group.numbers[place] ?? "", ...group.numbers.filter((_, index) => index !== place)];
  const hints = namesRead(symbol, context.lines);
  for (const number of hints.size === 0 ? [] : candidates) {
    const names = await readNames(number, context);
    if ([...hints].every(([type, hint]) => (names.get(type) ?? hint) === hint)) {
      symbols.settle(group, symbol, number);
      return;
    }
  }
  symbols.settle(group, symbol, candidates[0] ?? "0");
}

/** What the story reads from the object behind a symbol: attribute type to fingerprint. */
function namesRead(symbol: string, lines: readonly RecordedLine[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const proc = lines[0]?.proc;
  for (const line of lines) {
    if (line.proc !== proc) continue;
    if (line.call === "C_Initialize" || line.call === "C_SetAttributeValue") break;
    if (line.out?.["handle"] === symbol) break;
    if (line.call !== "C_GetAttributeValue" || line.in?.["object"] !== symbol) continue;
    for (const [type, value] of fingerprints(line.out?.["attrs"])) names.set(type, value);
  }
  return names;
}

const NAMES = ["CKA_CLASS", "CKA_LABEL", "CKA_APPLICATION"];

function fingerprints(attributes: Json | undefined): readonly (readonly [string, string])[] {
  if (!isList(attributes)) return [];
  return attributes.flatMap((entry) => {
    const value = isObject(entry)
      ? (entry["hex"] ?? entry["sha256"] ?? (entry["len"] === 0 ? "" : undefined))
      : undefined;
    return isObject(entry) && NAMES.includes(String(entry["type"])) && value !== undefined
      ? [[String(entry["type"]), String(value)] as const]
      : [];
  });
}

async function readNames(number: string, context: SearchContext): Promise<ReadonlyMap<string, string>> {
  const line = context.lines[0];
  const session = context.symbols.number(String(line?.in?.["session"]));
  const command = `C_GetAttributeValue ${session} ${number} 3 0/8 3/512 16/512`;
  const played = await context.player.call(context.lane, command);
  const probe: RecordedLine = {
    story: "",
    i: 0,
    call: "C_GetAttributeValue",
    in: { template: NAMES.map((type) => ({ type, buffer: 512 })) },
  };
  return new Map(fingerprints(decode(probe, played.out)["attrs"]));
}
