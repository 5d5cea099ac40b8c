/** Tells that something came or went in folders. A hint only: a rescan finds what no event tells. */

import { type FSWatcher, watch } from "node:fs";

export interface FolderWatch {
  /** From now on these, and no others. A folder that is not there, or cannot be watched, is tried again next time. */
  follow(folders: readonly string[]): void;
  close(): void;
}

export function watchFolders(onChange: () => void): FolderWatch {
  const watchers = new Map<string, FSWatcher>();
  const drop = (folder: string): void => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  return {
    follow(folders) {
      for (const folder of [...watchers.keys()]) if (!folders.includes(folder)) drop(folder);
      for (const folder of folders) {
        if (watchers.has(folder)) continue;
        try {
          const watcher = watch(folder, { persistent: false }, onChange);
          watcher.on("error", () => drop(folder));
          watchers.set(folder, watcher);
        } catch {
          // Not there yet, or no more watches are to be had.
        }
      }
    },
    close() {
      for (const folder of [...watchers.keys()]) drop(folder);
    },
  };
}
