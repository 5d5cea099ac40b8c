/**
 * What of a call counts (test/conformance/pkcs11/README.md, "How to compare"): return value, counts, lengths,
 * values, flags, crash or not. Handles are compared by the replay, which knows their symbols.
 */
import { returnName } from "./constants.ts";
import { decode } from "./decode.ts";
import type { PlayedCall } from "./player.ts";
import { isList, isObject, type Json, type JsonObject, type RecordedLine } from "./recording.ts";

/** Calls whose `out` is compared by the replay, or holds nothing to compare. */
const WITHOUT_OUT = new Set(["C_OpenSession", "C_CreateObject", "C_CopyObject", "C_FindObjects"]);
/** Members that name the place or the moment of the recording. */
const IGNORED = new Set(["utcTime"]);

/** Facts of the story that later lines refer to. */
export interface StoryFacts {
  /** The first C_GetTokenInfo of each slot. */
  readonly tokenInfo: Map<string, JsonObject>;
}

/** One sentence a difference; empty when the call behaved as recorded. */
export function compareCall(line: RecordedLine, played: PlayedCall, facts: StoryFacts): readonly string[] {
  const recordedCrash = line.out?.["crash"] !== undefined;
  if (played.crash !== undefined) return recordedCrash ? [] : [`the process died (${played.crash})`];
  if (played.hang === true) return line.out?.["hang"] === true ? [] : ["the call did not return"];
  const rv = returnName(played.rv ?? "");
  if (recordedCrash) return [`${rv}, recorded: the process died`];
  if (line.out?.["hang"] === true) return [`${rv}, recorded: the call did not return`];
  if (rv !== line.rv) return [`${rv}, recorded ${String(line.rv)}`];
  if (WITHOUT_OUT.has(line.call)) return [];
  const recorded = line.out ?? {};
  const actual = decode(line, played.out);
  if (line.call === "C_GetAttributeValue") return compareAttributes(recorded, actual, rv);
  if (line.call === "C_GenerateKeyPair" || line.call === "C_GenerateKey") return [];
  if (line.call === "C_GetTokenInfo" && rv === "CKR_OK") return compareTokenInfo(line, actual, facts);
  if (rv !== "CKR_OK" && rv !== "CKR_BUFFER_TOO_SMALL") return [];
  // A random byte or two may well be zero.
  if (line.call === "C_GenerateRandom" && Number(line.in?.["len"]) < 8) return [];
  return compareMembers(recorded, actual);
}

function compareMembers(recorded: JsonObject, actual: JsonObject): readonly string[] {
  return Object.entries(recorded)
    .filter(([key]) => !IGNORED.has(key) && key !== "slots" && key !== "slot")
    .filter(([key, value]) => !sameMember(value, actual[key]))
    .map(([key, value]) => `${key} ${JSON.stringify(actual[key])}, recorded ${JSON.stringify(value)}`);
}

function sameMember(recorded: Json, actual: Json | undefined): boolean {
  // Random text is marked where it was recorded; only its place is the same everywhere.
  if (typeof recorded === "string" && recorded.includes("<random>")) {
    return typeof actual === "string" && actual.startsWith(recorded.slice(0, recorded.indexOf("<random>")));
  }
  if (isObject(recorded) && recorded["note"] !== undefined) {
    return typeof actual === "string" && actual.length === recorded["len"];
  }
  return JSON.stringify(recorded) === JSON.stringify(actual);
}

function compareTokenInfo(line: RecordedLine, actual: JsonObject, facts: StoryFacts): readonly string[] {
  const slot = String(line.in?.["slot"]);
  const recorded = line.out ?? {};
  if (recorded["asFirstInStory"] !== true) {
    if (!facts.tokenInfo.has(slot)) facts.tokenInfo.set(slot, actual);
    return compareMembers(recorded, actual);
  }
  const { asFirstInStory: _, ...changed } = recorded;
  return compareMembers({ ...facts.tokenInfo.get(slot), ...changed }, actual);
}

function compareAttributes(recorded: JsonObject, actual: JsonObject, rv: string): readonly string[] {
  const before = isList(recorded["attrs"]) ? recorded["attrs"] : [];
  const after = isList(actual["attrs"]) ? actual["attrs"] : [];
  if (before.length !== after.length) return [`${after.length} attributes, recorded ${before.length}`];
  return before.flatMap((entry, index) => {
    const other = after[index];
    if (!isObject(entry) || !isObject(other)) return ["an attribute is missing"];
    const same =
      rv === "CKR_OK" || rv === "CKR_ATTRIBUTE_TYPE_INVALID" || rv === "CKR_ATTRIBUTE_SENSITIVE"
        ? JSON.stringify(entry) === JSON.stringify(other)
        : lengthOf(entry) === lengthOf(other);
    return same ? [] : [`${describe(other)}, recorded ${describe(entry)}`];
  });
}

function lengthOf(entry: JsonObject): Json {
  return typeof entry["hex"] === "string" ? entry["hex"].length / 2 : (entry["len"] ?? null);
}

function describe(entry: JsonObject): string {
  const { type, ...value } = entry;
  return `${String(type)} ${JSON.stringify(value)}`;
}
