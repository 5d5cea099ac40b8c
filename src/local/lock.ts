/** One local mode a state folder. */

import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { formatIdentity, identify, parseIdentity, runs } from "./process-identity.ts";

export class FolderInUseError extends Error {
  override readonly name = "FolderInUseError";
  readonly code = "LOCAL_FOLDER_IN_USE";
}

/** Takes the lock or throws; returns the function that gives it back. A lock of a process that ended is taken over. */
export function lockFolder(file: string, folder: string): () => void {
  const self = identify(process.pid);
  if (self === undefined) throw new Error("/proc does not show this process: local mode needs Linux.");
  // Linked into place whole, so that nobody ever reads half a lock.
  const own = `${file}.${process.pid}`;
  writeFileSync(own, formatIdentity(self), { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(own, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      const holder = parseIdentity(read(file));
      if (holder !== undefined && runs(holder)) {
        throw new FolderInUseError(
          `Local mode already runs in ${folder} (process ${holder.pid}); stop it with Ctrl-C, or name another folder with --state.`,
        );
      }
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // Given back this moment.
  }
}
