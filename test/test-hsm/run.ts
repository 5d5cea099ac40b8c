/** Runs the built test-hsm as a process of its own against a SoftHSM2 token. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { SoftHsmToken } from "../softhsm.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/bin/test-hsm.js", import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export async function run(
  args: readonly string[],
  token: SoftHsmToken,
  options: { readonly stdin?: Uint8Array; readonly fd3?: Uint8Array } = {},
): Promise<Ran> {
  if (!existsSync(PROGRAM)) throw new Error("dist/ is missing: run `node scripts/setup.mjs`");
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, ...token.environment },
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  const [stdin, stdout, stderr, fd3] = child.stdio;
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  stdout.on("data", (chunk: Buffer) => out.push(chunk));
  stderr.on("data", (chunk: Buffer) => err.push(chunk));
  // A program that refuses its arguments does not read what it is given.
  stdin.on("error", () => {});
  fd3?.on("error", () => {});
  stdin.end(options.stdin ?? "");
  if (fd3 !== null && fd3 !== undefined && "end" in fd3) fd3.end(options.fd3 ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString("utf8") };
}

export function connection(token: SoftHsmToken, pinFile = token.pinFile): string[] {
  return [
    ...["--module", token.modulePath, "--serial", token.serialNumber, "--pin-file", pinFile],
    ...["--lock-dir", token.folder, "--state-dir", token.folder],
  ];
}
