/** Where locks and the memory of refused PINs are kept when nobody says where. */
import { lstat, mkdir } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { HsmError } from "../errors.ts";

/** A folder of this user's own that is the same for all of the user's processes on this machine. */
export function defaultLockDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const runtime = environment["XDG_RUNTIME_DIR"];
  if (runtime !== undefined && runtime !== "") return join(runtime, "hsm-secrets-operator");
  return join(tmpdir(), `hsm-secrets-operator-${process.getuid?.() ?? 0}`);
}

/** A folder that outlives a restart of the machine. */
export function defaultStateDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const state = environment["XDG_STATE_HOME"];
  if (state !== undefined && state !== "") return join(state, "hsm-secrets-operator");
  return join(homedir(), ".local", "state", "hsm-secrets-operator");
}

/**
 * Makes the folder (0700) with all levels above it. One that belongs to somebody else is refused: who owns it
 * could take our locks or make us forget a refused PIN.
 */
export async function preparePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const status = await lstat(path);
    const uid = process.getuid?.();
    if (!status.isSymbolicLink() && (uid === undefined || uid === 0 || status.uid === uid)) return;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HsmError("BadInput", `The folder ${path} cannot be made: ${reason}.`, {
      operation: "open",
      cause,
    });
  }
  throw new HsmError("BadInput", `The folder ${path} is a link or belongs to another user.`, {
    operation: "open",
  });
}
