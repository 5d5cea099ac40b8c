/** What the player answered, in the form of a recording. */
import { attributeName, mechanismName, UNAVAILABLE } from "./constants.ts";
import { offeredBuffers } from "./encode.ts";
import type { Json, JsonObject, RecordedLine } from "./recording.ts";
import { recordedForm } from "./values.ts";

type Raw = Readonly<Record<string, unknown>>;

/** `out` in recorded form; handles and slots stay numbers (decimal strings): symbols are the caller's. */
export function decode(line: RecordedLine, out: Raw): JsonObject {
  switch (line.call) {
    case "C_GetInfo":
      return {
        cryptokiVersion: String(out["cryptokiVersion"]),
        manufacturerID: ascii(out["manufacturerID"]),
        flags: count(out["flags"]),
        libraryDescription: ascii(out["libraryDescription"]),
        libraryVersion: String(out["libraryVersion"]),
      };
    case "C_GetSlotInfo":
      return {
        slotDescription: ascii(out["slotDescription"]),
        manufacturerID: ascii(out["manufacturerID"]),
        flags: flags(out["flags"]),
        hw: String(out["hw"]),
        fw: String(out["fw"]),
      };
    case "C_GetTokenInfo":
      return tokenInfo(out);
    case "C_GetMechanismList":
      return {
        count: count(out["count"]),
        ...(Array.isArray(out["mechs"])
          ? { mechs: out["mechs"].map((number) => mechanismName(String(number))) }
          : {}),
      };
    case "C_GetAttributeValue":
      return { attrs: attributes(line, out) };
    case "C_Digest":
    case "C_DigestFinal":
      return typeof out["hex"] === "string" ? recordedForm(out["hex"]) : { len: count(out["len"]) };
    default:
      return Object.fromEntries(Object.entries(out).map(([key, value]) => [key, scalar(value)]));
  }
}

function tokenInfo(out: Raw): JsonObject {
  const info: Record<string, Json> = {};
  for (const [key, value] of Object.entries(out)) {
    if (["label", "manufacturerID", "model", "serialNumber"].includes(key)) info[key] = ascii(value);
    else if (key === "flags") info[key] = flags(value);
    else if (key === "hw" || key === "fw") info[key] = String(value);
    else info[key] = count(value);
  }
  return info;
}

function attributes(line: RecordedLine, out: Raw): readonly Json[] {
  const offered = offeredBuffers(line);
  const list = Array.isArray(out["attrs"]) ? (out["attrs"] as readonly Raw[]) : [];
  return list.map((entry, index) => {
    const type = attributeName(String(entry["type"]));
    const length = count(entry["len"]);
    if (typeof length === "string" || typeof offered[index]?.["buffer"] !== "number")
      return { type, len: length };
    if (entry["untouched"] === true) return { type, len: length, bufferUntouched: true };
    return typeof entry["hex"] === "string" ? { type, ...recordedForm(entry["hex"]) } : { type, len: length };
  });
}

function scalar(value: unknown): Json {
  if (typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map((entry) => String(entry));
  return count(value);
}

function count(value: unknown): Json {
  return value === UNAVAILABLE ? "CK_UNAVAILABLE_INFORMATION" : Number(value);
}

function flags(value: unknown): string {
  return `0x${Number(value).toString(16)}`;
}

function ascii(value: unknown): string {
  return Buffer.from(String(value), "hex").toString("latin1");
}
