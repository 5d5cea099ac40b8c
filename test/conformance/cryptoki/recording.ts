/** Recorded PKCS#11 calls: one JSON object a line (format: test/conformance/pkcs11/README.md). */
import { readFile } from "node:fs/promises";

/** JSON as parsed; recordings are read with checks where each member is used. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export interface RecordedLine {
  readonly story: string;
  /** Counts within the story. */
  readonly i: number;
  /** The process that called; absent for events of the card. */
  readonly proc?: string;
  readonly thread?: number;
  /** `C_...`, or `@...` for an event. */
  readonly call: string;
  readonly in?: JsonObject;
  /** Name of the return value; null where the process died in the call. */
  readonly rv?: string | null;
  readonly out?: JsonObject;
  readonly apdus?: number;
}

export interface Story {
  readonly file: string;
  readonly name: string;
  readonly lines: readonly RecordedLine[];
}

/** Reads a recording; throws with file and line where one is not of the form. */
export async function loadStories(file: string): Promise<readonly Story[]> {
  const stories = new Map<string, RecordedLine[]>();
  const text = await readFile(file, "utf8");
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const parsed = parseLine(line, `${file}:${index + 1}`);
    const lines = stories.get(parsed.story) ?? [];
    lines.push(parsed);
    stories.set(parsed.story, lines);
  }
  return [...stories].map(([name, lines]) => ({ file, name, lines }));
}

function parseLine(text: string, where: string): RecordedLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${where} is not JSON`, { cause });
  }
  if (!isLine(value)) throw new Error(`${where} is not a recorded call: story, i and call are needed`);
  return value;
}

function isLine(value: unknown): value is RecordedLine {
  if (typeof value !== "object" || value === null) return false;
  const line = value as Record<string, unknown>;
  return (
    typeof line["story"] === "string" && typeof line["i"] === "number" && typeof line["call"] === "string"
  );
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
