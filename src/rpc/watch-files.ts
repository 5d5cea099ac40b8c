/**
 * Tells when mounted files change. Kubernetes replaces a mounted Secret by swapping a link in its folder, so the
 * folders are watched, not the files; a rescan covers file systems that report nothing.
 */

import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";

export interface WatchOptions {
  /** Milliseconds between rescans; 30 s when absent. */
  readonly rescan?: number | undefined;
  /** Milliseconds of quiet after an event before the files are read: several change together. */
  readonly settle?: number | undefined;
}

/** Calls `onChange` after events and at each rescan; it must itself find out whether the contents differ. */
export function watchFiles(
  files: readonly string[],
  onChange: () => void,
  options: WatchOptions = {},
): () => void {
  const settle = options.settle ?? 50;
  let pending: NodeJS.Timeout | undefined;
  const touched = (): void => {
    if (pending !== undefined) return;
    pending = setTimeout(() => {
      pending = undefined;
      onChange();
    }, settle);
    pending.unref();
  };
  const watchers: FSWatcher[] = [];
  for (const folder of new Set(files.map((file) => dirname(file)))) {
    try {
      const watcher = watch(folder, { persistent: false }, touched);
      watcher.on("error", () => watcher.close());
      watchers.push(watcher);
    } catch {
      // No watch on this file system (or too many of them): the rescan finds changes later.
    }
  }
  const rescan = setInterval(onChange, options.rescan ?? 30_000);
  rescan.unref();
  return () => {
    clearInterval(rescan);
    if (pending !== undefined) clearTimeout(pending);
    for (const watcher of watchers) watcher.close();
  };
}

/** Reads several text files. Rejects with a sentence that names the first that cannot be read. */
export async function readTexts(files: readonly string[]): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const file of files) {
    try {
      texts.push(await readFile(file, "utf8"));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      throw new Error(`The file ${file} cannot be read (${code}).`, { cause: error });
    }
  }
  return texts;
}
