/**
 * A SoftHSM2 token in a folder of its own, for tests and benches.
 *
 * SoftHSM2 finds its configuration by the environment variable SOFTHSM2_CONF, and reads it when the module is
 * initialised. `makeSoftHsmToken` therefore sets `process.env.SOFTHSM2_CONF`, so that a module loaded afterwards by
 * this process sees the token. Two things follow: a process works with one such token at a time (give each test file
 * its own, vitest runs files in processes of their own), and a child process or a worker thread with an environment
 * of its own must be given `environment`.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);

const MODULE_PATHS = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
];

export interface SoftHsmToken {
  /** Path of libsofthsm2.so. */
  readonly modulePath: string;
  /** Value of SOFTHSM2_CONF. */
  readonly configPath: string;
  /** What a child process or a worker needs beside its own environment. */
  readonly environment: { readonly SOFTHSM2_CONF: string };
  readonly label: string;
  /** 16 hex digits. */
  readonly serialNumber: string;
  /** The user PIN, a throw-away. Copy it before handing it on: whoever opens a token wipes the buffer that it got. */
  readonly pin: Uint8Array;
  /** A file of mode 0600 that holds the PIN and nothing else. */
  readonly pinFile: string;
  /** A folder of this token's own, removed by `dispose`: for locks, state and whatever a test keeps beside it. */
  readonly folder: string;
  /** Removes the folder, and SOFTHSM2_CONF when it is still ours. Close the token before. Idempotent. */
  dispose(): Promise<void>;
}

export interface SoftHsmOptions {
  /** CKA_LABEL of the token, 1 to 32 bytes; `test` when absent. */
  readonly label?: string;
  /** False leaves `process.env` alone: for tokens that only child processes open. */
  readonly setEnvironment?: boolean;
}

/** Path of SoftHSM2's library; throws the one line that installs it when there is none. */
export function softHsmModulePath(): string {
  const found = MODULE_PATHS.find((path) => existsSync(path));
  if (found === undefined) throw new Error("SoftHSM2 is not installed: apt-get install softhsm2");
  return found;
}

/** Makes a folder with one initialised, empty token. Takes about 50 ms. */
export async function makeSoftHsmToken(options: SoftHsmOptions = {}): Promise<SoftHsmToken> {
  const label = options.label ?? "test";
  const modulePath = softHsmModulePath();
  const folder = await mkdtemp(join(tmpdir(), "hsm-softhsm-"));
  const configPath = join(folder, "softhsm2.conf");
  const environment = { SOFTHSM2_CONF: configPath };
  await mkdir(join(folder, "tokens"), { mode: 0o700 });
  await writeFile(
    configPath,
    `directories.tokendir = ${join(folder, "tokens")}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const pin = "648219";
  const serialNumber = await initialiseToken(label, pin, environment);
  const pinFile = join(folder, "pin");
  await writeFile(pinFile, pin, { mode: 0o600 });
  if (options.setEnvironment !== false) process.env["SOFTHSM2_CONF"] = configPath;
  return {
    modulePath,
    configPath,
    environment,
    label,
    serialNumber,
    pin: new TextEncoder().encode(pin),
    pinFile,
    folder,
    async dispose() {
      if (process.env["SOFTHSM2_CONF"] === configPath) delete process.env["SOFTHSM2_CONF"];
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Adds one more token to the same configuration, e.g. for selecting among several; returns its serial number. */
export async function addSoftHsmToken(token: SoftHsmToken, label: string): Promise<string> {
  return initialiseToken(label, new TextDecoder().decode(token.pin), token.environment);
}

async function initialiseToken(
  label: string,
  pin: string,
  environment: { readonly SOFTHSM2_CONF: string },
): Promise<string> {
  const env = { ...process.env, ...environment };
  await exec(
    "softhsm2-util",
    ["--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "12345678"],
    {
      env,
    },
  );
  const { stdout } = await exec("softhsm2-util", ["--show-slots"], { env });
  for (const slot of stdout.split(/^Slot /m)) {
    const serial = /Serial number:\s*(\S+)/.exec(slot)?.[1];
    if (serial !== undefined && /Label:\s*(.*)/.exec(slot)?.[1]?.trim() === label) return serial;
  }
  throw new Error(`softhsm2-util made no token with the label ${label}`);
}
