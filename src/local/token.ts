/** A SoftHSM2 token in the state folder, with a PIN that nobody chose and nothing shows. */

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { LocalPaths } from "./paths.ts";

/** Something that local mode needs is not on this machine. The message says what, and the line that installs it. */
export class MissingProgramError extends Error {
  override readonly name = "MissingProgramError";
  readonly code = "LOCAL_PROGRAM_MISSING";
}

const MODULES = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
];

export const TOKEN_LABEL = "local";

export interface LocalToken {
  readonly module: string;
  readonly serialNumber: string;
  readonly pinFile: string;
  /** What a process that opens the token needs beside its own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** False when it was there already. */
  readonly made: boolean;
}

export async function provideToken(
  paths: LocalPaths,
  options: { readonly modules?: readonly string[]; readonly searchPath?: string | undefined } = {},
): Promise<LocalToken> {
  const module = (options.modules ?? MODULES).find((path) => existsSync(path));
  const util = findProgram("softhsm2-util", options.searchPath);
  if (module === undefined || util === undefined) {
    throw new MissingProgramError(
      "SoftHSM2 is missing, the software token that stands in for hardware: apt-get install softhsm2",
    );
  }
  const environment = { SOFTHSM2_CONF: paths.softhsmConfig };
  const tokens = join(paths.softhsm, "tokens");
  mkdirSync(tokens, { recursive: true, mode: 0o700 });
  writeFileSync(
    paths.softhsmConfig,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n`,
  );
  const known = existsSync(paths.pin) ? await findToken(util, environment) : undefined;
  if (known !== undefined) {
    return { module, serialNumber: known, pinFile: paths.pin, environment, made: false };
  }
  const pin = randomDigits(8);
  const soPin = randomDigits(16);
  writeFileSync(paths.pin, pin, { mode: 0o600 });
  writeFileSync(join(paths.softhsm, "so-pin"), soPin, { mode: 0o600 });
  await initialise(util, environment, { pin, soPin, searchPath: options.searchPath });
  const serialNumber = await findToken(util, environment);
  if (serialNumber === undefined) throw new Error("softhsm2-util made a token and does not list it.");
  return { module, serialNumber, pinFile: paths.pin, environment, made: true };
}

/** PIN of the token, for who must hand it on. */
export function readPin(paths: LocalPaths): string {
  return readFileSync(paths.pin, "utf8");
}

function randomDigits(count: number): string {
  return Array.from({ length: count }, () => String(randomInt(10))).join("");
}

function findProgram(name: string, searchPath = process.env["PATH"] ?? ""): string | undefined {
  return searchPath
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * softhsm2-util takes PINs from its command line, where every user of the machine sees them, or from a terminal.
 * script(1) is that terminal; the PINs go through a pipe.
 */
async function initialise(
  util: string,
  environment: Readonly<Record<string, string>>,
  options: { readonly pin: string; readonly soPin: string; readonly searchPath: string | undefined },
): Promise<void> {
  const script = findProgram("script", options.searchPath);
  if (script === undefined) {
    throw new MissingProgramError("script(1) is missing, which runs softhsm2-util: apt-get install bsdutils");
  }
  const command = `${util} --init-token --free --label ${TOKEN_LABEL}`;
  const { soPin, pin } = options;
  const input = `${soPin}\n${soPin}\n${pin}\n${pin}\n`;
  // What it prints may echo the PINs: it is read and forgotten.
  const { code } = await run(script, ["-q", "-e", "-c", command, "/dev/null"], environment, input);
  if (code !== 0) throw new Error(`softhsm2-util could not make a token (exit code ${code}).`);
}

async function findToken(
  util: string,
  environment: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const { output } = await run(util, ["--show-slots"], environment);
  const slots = output.split(/^Slot /m);
  const slot = slots.find((text) => new RegExp(`Label:\\s+${TOKEN_LABEL}\\s*$`, "m").test(text));
  return slot === undefined ? undefined : /Serial number:\s+(\S+)/.exec(slot)?.[1];
}

function run(
  file: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  input = "",
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: { ...process.env, ...environment },
      stdio: ["pipe", "pipe", "ignore"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
    child.stdin.on("error", () => {}); // It ended before it read everything: its exit code tells.
    child.stdin.end(input);
  });
}
