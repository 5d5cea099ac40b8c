/**
 * The one list of differences between the recordings and what plays them (test/conformance/pkcs11/differences.json):
 * each with its reason, none that is not there, none that is no longer.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Difference } from "./replay.ts";
import type { RunResult } from "./run.ts";

const LIST = resolve(import.meta.dirname, "..", "pkcs11", "differences.json");

export interface ListedDifference {
  /** `<folder>/<topic>` */
  readonly recording: string;
  readonly story: string;
  /** The lines (`i`) that differ; absent when the story cannot be played at all. */
  readonly lines?: readonly number[];
  readonly reason: string;
}

export async function loadDifferences(): Promise<readonly ListedDifference[]> {
  const list = JSON.parse(await readFile(LIST, "utf8")) as readonly ListedDifference[];
  for (const entry of list) {
    if (entry.reason.trim() === "") throw new Error(`${keyOf(entry)} is listed without a reason`);
  }
  return list;
}

export interface ListCheck {
  /** Differences that nobody has listed. */
  readonly unlisted: readonly string[];
  /** Listed lines that behave as recorded by now. */
  readonly vanished: readonly string[];
}

/** Compares a run with the list, for the recordings that were played. */
export function checkAgainstList(
  result: RunResult,
  list: readonly ListedDifference[],
  recordings: ReadonlySet<string>,
): ListCheck {
  const listed = new Set<string>();
  for (const entry of list) {
    if (!recordings.has(entry.recording)) continue;
    if (entry.lines === undefined) listed.add(`${keyOf(entry)} is not played`);
    for (const line of entry.lines ?? []) listed.add(`${keyOf(entry)} ${line}`);
  }
  const found = new Map<string, string>();
  for (const difference of result.differences)
    found.set(`${keyOf(difference)} ${difference.i}`, describe(difference));
  for (const story of result.left) found.set(`${keyOf(story)} is not played`, story.reason);
  return {
    unlisted: [...found].filter(([key]) => !listed.has(key)).map(([key, text]) => `${key}: ${text}`),
    vanished: [...listed].filter((key) => !found.has(key)),
  };
}

export function describe(difference: Difference): string {
  return `${difference.call}: ${difference.text}`;
}

function keyOf(entry: { readonly recording: string; readonly story: string }): string {
  return `${entry.recording} ${entry.story}`;
}
