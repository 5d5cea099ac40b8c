/** The one list of exchanges that the embedded server answers otherwise than the recordings, and why. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExchangeResult } from "./replay.ts";

/** Exchange id, e.g. `crud 101`, to the reason. */
export type Differences = Readonly<Record<string, string>>;

export function loadDifferences(): Differences {
  const file = join(import.meta.dirname, "..", "kubernetes-differences.json");
  return JSON.parse(readFileSync(file, "utf8")) as Differences;
}

export interface Verdict {
  /** Differences that nobody listed, one a line. */
  readonly unlisted: readonly string[];
  /** Listed exchanges that match. */
  readonly vanished: readonly string[];
}

/** Holds the results against the list; only exchanges that were played count as vanished. */
export function checkAgainstList(results: readonly ExchangeResult[], list: Differences): Verdict {
  const unlisted = results
    .filter(({ id, differences }) => differences.length > 0 && list[id] === undefined)
    .map(({ id, story, step, differences }) => `${id} [${story}] ${step}: ${differences.join("; ")}`);
  const vanished = results
    .filter(({ id, differences }) => differences.length === 0 && list[id] !== undefined)
    .map(({ id }) => id);
  return { unlisted, vanished };
}
