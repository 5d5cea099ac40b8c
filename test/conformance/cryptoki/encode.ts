/** A recorded call as a command of the player (its wire format: test/stub/player/wire.h). */
import { ATTRIBUTES, MECHANISMS, numberOf, USER_TYPES } from "./constants.ts";
import { isList, isObject, type Json, type JsonObject, type RecordedLine } from "./recording.ts";
import type { Slots, Symbols } from "./symbols.ts";
import { bytesOf } from "./values.ts";

const DUMP: readonly JsonObject[] = [
  { type: "CKA_CLASS", buffer: 8 },
  { type: "CKA_LABEL", buffer: 512 },
  { type: "CKA_APPLICATION", buffer: 512 },
  { type: "CKA_PRIVATE", buffer: 1 },
  { type: "CKA_VALUE", buffer: 70_000 },
];
const DATA: readonly JsonObject[] = [{ type: "CKA_CLASS", hex: "0000000000000000" }];
const STANDARD: readonly JsonObject[] = [
  ...DATA,
  { type: "CKA_TOKEN", hex: "01" },
  { type: "CKA_PRIVATE", hex: "01" },
];

export function encode(line: RecordedLine, symbols: Symbols, slots: Slots): string {
  const input = line.in ?? {};
  const words = (...list: string[]): string => [line.call, ...list].join(" ");
  const session = (): string => symbols.number(String(input["session"]));
  const object = (): string => symbols.number(String(input["object"]));
  const slot = (): string => slots.number(input["slot"]);
  switch (line.call) {
    case "C_Initialize":
      return words(String(input["args"]));
    case "C_Finalize":
      return words(input["pReserved"] === "reserved" ? "reserved" : "null");
    case "C_GetInfo":
      return words();
    case "C_GetSlotList":
      return words(input["tokenPresent"] === true ? "1" : "0", optional(input["capacity"]));
    case "C_GetSlotInfo":
    case "C_GetTokenInfo":
    case "C_CloseAllSessions":
      return words(slot());
    case "C_GetMechanismList":
      return words(slot(), optional(input["capacity"]));
    case "C_GetMechanismInfo":
      return words(slot(), mechanism(input["mechanism"]));
    case "C_WaitForSlotEvent":
      return words(input["flags"] === "CKF_DONT_BLOCK" ? "1" : "0");
    case "C_InitToken":
      return words(slot(), text(input["pin"]), text(input["label"]));
    case "C_OpenSession":
      return words(slot(), String(input["flags"]));
    case "C_CloseSession":
    case "C_GetSessionInfo":
    case "C_Logout":
    case "C_FindObjectsFinal":
      return words(session());
    case "C_Login":
      return words(session(), String(numberOf(USER_TYPES, String(input["userType"]))), text(input["pin"]));
    case "C_InitPIN":
      return words(session(), text(input["pin"]));
    case "C_SetPIN":
      return words(session(), text(input["old"]), text(input["new"]));
    case "C_CreateObject":
    case "C_FindObjectsInit":
      return words(session(), template(input["template"]));
    case "C_CopyObject":
    case "C_SetAttributeValue":
      return words(session(), object(), template(input["template"]));
    case "C_DestroyObject":
    case "C_GetObjectSize":
      return words(session(), object());
    case "C_GetAttributeValue":
      return words(session(), object(), buffers(input["template"]));
    case "C_FindObjects":
      return words(session(), String(input["max"]));
    case "C_DigestInit":
      return words(session(), mechanism(input["mechanism"]));
    case "C_Digest":
      return words(session(), data(input["data"]), optional(input["capacity"]));
    case "C_DigestUpdate":
      return words(session(), data(input["data"]));
    case "C_DigestFinal":
      return words(session(), optional(input["capacity"]));
    case "C_GenerateRandom":
    case "C_SeedRandom":
      return words(session(), String(input["len"]));
    case "C_GenerateKey":
      return words(session(), mechanism(input["mechanism"]), prose(input["template"]));
    case "C_GenerateKeyPair":
      return words(session(), mechanism(input["mechanism"]), prose(input["pub"]), prose(input["priv"]));
    default:
      throw new Error(`${line.story} ${line.i}: ${line.call} cannot be played`);
  }
}

function optional(value: Json | undefined): string {
  return typeof value === "number" ? String(value) : "-";
}

function mechanism(value: Json | undefined): string {
  return String(numberOf(MECHANISMS, String(value)));
}

function hexWord(bytes: Buffer): string {
  return bytes.length === 0 ? "." : bytes.toString("hex");
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? hexWord(Buffer.from(value, "utf8")) : "-";
}

function data(value: Json | undefined): string {
  if (!isObject(value)) return ".";
  const bytes = bytesOf(value);
  return bytes === undefined ? "-" : hexWord(bytes);
}

/** The attributes of a template in recorded form, shorthand spelt out; undefined for a NULL template. */
function attributes(value: Json | undefined): readonly JsonObject[] | undefined {
  if (value === null || value === undefined) return undefined;
  if (value === "DATA") return DATA;
  if (value === "DUMP") return DUMP;
  if (!isList(value)) throw new Error(`unknown template ${JSON.stringify(value)}`);
  return value.flatMap((entry) => {
    if (entry === "STD") return STANDARD;
    if (!isObject(entry)) throw new Error(`unknown attribute ${JSON.stringify(entry)}`);
    return [entry];
  });
}

function attributeType(entry: JsonObject): string {
  return String(numberOf(ATTRIBUTES, String(entry["type"])));
}

function template(value: Json | undefined): string {
  const list = attributes(value);
  if (list === undefined) return "-";
  const encoded = list.map((entry) => {
    const bytes = bytesOf(entry);
    const following = typeof entry["followedBy"] === "string" ? entry["followedBy"] : "";
    return `${attributeType(entry)}/${bytes === undefined ? "-" : hexWord(bytes)}/${following || "."}`;
  });
  return [String(list.length), ...encoded].join(" ");
}

function buffers(value: Json | undefined): string {
  const list = attributes(value);
  if (list === undefined) return "-";
  const encoded = list.map((entry) => `${attributeType(entry)}/${optional(entry["buffer"])}`);
  return [String(list.length), ...encoded].join(" ");
}

/** Which buffers a C_GetAttributeValue offered, for reading its answer. */
export function offeredBuffers(line: RecordedLine): readonly JsonObject[] {
  return attributes(line.in?.["template"]) ?? [];
}

/** Key templates are told in words, e.g. `EC_PARAMS P-256, LABEL k, ID 10`. */
function prose(value: Json | undefined): string {
  // The public half is not said to be kept, and is.
  const kept = String(value).startsWith("EC_PARAMS") ? ", TOKEN" : "";
  const list = `${String(value)}${kept}`.split(", ").map((part) => {
    const [name = "", argument = ""] = part.split(" ");
    return `${numberOf(ATTRIBUTES, `CKA_${name}`)}/${proseValue(name, argument)}/.`;
  });
  return [String(list.length), ...list].join(" ");
}

function proseValue(name: string, argument: string): string {
  if (name === "EC_PARAMS") return "06082a8648ce3d030107"; // OID of P-256, the only curve recorded.
  if (name === "LABEL") return Buffer.from(argument === "" ? "key" : argument).toString("hex");
  if (name === "ID") return argument === "" ? "01" : argument;
  if (name === "TOKEN" || name === "PRIVATE") return "01";
  if (name === "VALUE_LEN") {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(argument));
    return bytes.toString("hex");
  }
  throw new Error(`unknown member of a key template: ${name}`);
}
