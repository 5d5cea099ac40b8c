/**
 * `npm run conformance -- <files> [--story NAME] [--verbose]`: plays recordings of a real kube-apiserver against the
 * embedded one, or against the server that KUBECONFIG names, and prints each difference.
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadStories, type Story } from "./recording.ts";
import { type ExchangeResult, replayStory } from "./replay.ts";
import { embeddedTarget, kubeconfigTarget } from "./server.ts";

const here = dirname(fileURLToPath(import.meta.url));
export const CRDS_FILE = join(here, "..", "kubernetes", "crds.json");

/** Stories stand alone and mostly wait: some are played side by side. */
const STORIES_AT_ONCE = 4;

/** Plays every story of a file, each on a server of its own unless KUBECONFIG names one. */
export async function replayFile(file: string, only?: string): Promise<ExchangeResult[]> {
  const stories = loadStories(file).filter(({ id }) => only === undefined || id.endsWith(only));
  const results = new Map<Story, ExchangeResult[]>();
  const waiting = stories.values();
  const worker = async (): Promise<void> => {
    for (const story of waiting) results.set(story, await playStory(story));
  };
  const kubeconfig = process.env["KUBECONFIG"];
  await Promise.all(Array.from({ length: kubeconfig === undefined ? STORIES_AT_ONCE : 1 }, worker));
  return stories.flatMap((story) => results.get(story) ?? []);
}

async function playStory(story: Story): Promise<ExchangeResult[]> {
  const kubeconfig = process.env["KUBECONFIG"];
  const target =
    kubeconfig === undefined
      ? await embeddedTarget({ anonymous: !story.id.endsWith("/no-anonymous") })
      : kubeconfigTarget(kubeconfig);
  try {
    return await replayStory(story, target, CRDS_FILE);
  } catch (error) {
    const problem = `the story cannot be played: ${error instanceof Error ? error.message : String(error)}`;
    return story.exchanges.map(({ id, story: name, step }) => {
      return { id, story: name, step, differences: [problem] };
    });
  } finally {
    await target.close();
  }
}

export async function main(args: readonly string[]): Promise<number> {
  const storyFlag = args.indexOf("--story");
  const only = storyFlag < 0 ? undefined : args[storyFlag + 1];
  const files = args.filter(
    (argument, index) => argument.endsWith(".ndjson") && (storyFlag < 0 || index !== storyFlag + 1),
  );
  const missing = files.find((file) => !existsSync(file));
  if (files.length === 0 || missing !== undefined) {
    process.stderr.write(
      missing === undefined
        ? "conformance: name at least one recording (*.ndjson)\n"
        : `conformance: no such file: ${missing}\n`,
    );
    return 2;
  }
  let played = 0;
  let matched = 0;
  for (const file of files) {
    const results = await replayFile(file, only);
    const good = results.filter(({ differences }) => differences.length === 0).length;
    for (const { id, story, step, differences } of results) {
      if (differences.length === 0) continue;
      process.stdout.write(
        `${id} [${story}] ${step}\n${differences.map((text) => `    ${text}\n`).join("")}`,
      );
    }
    process.stdout.write(`${file}: ${good} of ${results.length} exchanges match\n`);
    played += results.length;
    matched += good;
  }
  process.stdout.write(
    `${matched} of ${played} exchanges match (${((100 * matched) / Math.max(played, 1)).toFixed(1)} %)\n`,
  );
  return matched === played ? 0 : 1;
}
