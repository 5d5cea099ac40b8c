/** Plays whole recordings and adds up. */
import type { Environment } from "./environment.ts";
import { loadStories, type Story } from "./recording.ts";
import { type Difference, playStory, recordingName } from "./replay.ts";

export interface RunResult {
  readonly stories: number;
  readonly storiesWithDifferences: number;
  readonly calls: number;
  readonly differences: readonly Difference[];
  readonly sameCost: number;
  readonly withCost: number;
  readonly costs: readonly string[];
  /** Stories that cannot be played, with the reason. */
  readonly left: readonly { readonly recording: string; readonly story: string; readonly reason: string }[];
}

export interface RunOptions {
  readonly files: readonly string[];
  readonly environment: Environment;
  /** Stories to play; all when absent. */
  readonly select?: (story: Story) => boolean;
  readonly parallel?: number;
  readonly onStory?: (story: Story, differences: readonly Difference[]) => void;
}

/** Why a story cannot be played again, if so. */
export function unplayable(story: Story): string | undefined {
  return story.lines.some((line) => line.call.startsWith("concurrent:"))
    ? "the calls that ran at once when the process died were not recorded"
    : undefined;
}

export async function runRecordings(options: RunOptions): Promise<RunResult> {
  const all = (await Promise.all(options.files.map((file) => loadStories(file)))).flat();
  const chosen = all.filter((story) => options.select?.(story) ?? true);
  const left = chosen.flatMap((story) => {
    const reason = unplayable(story);
    return reason === undefined ? [] : [{ recording: recordingName(story.file), story: story.name, reason }];
  });
  const queue = chosen.filter((story) => unplayable(story) === undefined);
  const total = { stories: 0, storiesWithDifferences: 0, calls: 0, sameCost: 0, withCost: 0 };
  const differences: Difference[] = [];
  const costs: string[] = [];
  const worker = async (): Promise<void> => {
    for (let story = queue.shift(); story !== undefined; story = queue.shift()) {
      const result = await playStory(story, options.environment);
      total.stories += 1;
      total.calls += result.calls;
      total.sameCost += result.sameCost;
      total.withCost += result.withCost;
      costs.push(...result.costs);
      if (result.differences.length > 0) total.storiesWithDifferences += 1;
      differences.push(...result.differences);
      options.onStory?.(story, result.differences);
    }
  };
  await Promise.all(Array.from({ length: options.parallel ?? 2 }, worker));
  return { ...total, differences, costs, left };
}
