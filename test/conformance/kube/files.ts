/** Plays recordings by name and holds them against the list of differences. */

import { join } from "node:path";
import { replayFile } from "./cli.ts";
import { checkAgainstList, loadDifferences, type Verdict } from "./differences.ts";

const RECORDINGS = join(import.meta.dirname, "..", "kubernetes");

export async function playRecording(name: string): Promise<Verdict & { readonly played: number }> {
  const results = await replayFile(join(RECORDINGS, `${name}.ndjson`));
  return { ...checkAgainstList(results, loadDifferences()), played: results.length };
}
