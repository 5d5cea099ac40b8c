/**
 * The stub PKCS#11 library (test/stub): a simulated Pico HSM behind a simulated OpenSC, hazards included, with a card
 * in a folder that all processes share. Built once into .cache/stub; never part of the product.
 */
import { type ExecFileOptions, execFile } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const exec = promisify(execFile);
const root = resolve(fileURLToPath(import.meta.url), "..", "..");
const buildFolder = join(root, ".cache", "stub");

export type StubProfile =
  | "opensc-0.23-pico"
  | "opensc-0.26-pico"
  | "opensc-0.27-pico"
  | "opensc-0.23-pico-devfw"
  | "opensc-0.27-pico-devfw";

export interface StubBuild {
  /** libhsmstub.so */
  readonly modulePath: string;
  /** Plays PKCS#11 calls: see test/conformance/cryptoki/player.ts. */
  readonly playerPath: string;
  /** Carries out what happens to a card from outside. */
  readonly controlPath: string;
}

export interface StubTokenOptions {
  /** `opensc-0.27-pico` when absent: the release firmware 6.6 through OpenSC 0.27.1. */
  readonly profile?: StubProfile;
  /** At most 16 characters; `ESPICOHSMTR` when absent. */
  readonly serialNumber?: string;
  /** True sets HSM_STUB_CARD in this process, for a module that it loads itself: one token a process then. */
  readonly setEnvironment?: boolean;
}

export interface StubToken {
  readonly modulePath: string;
  /** What a process that loads the module needs in its environment. */
  readonly env: { readonly HSM_STUB_CARD: string };
  readonly folder: string;
  /** 6 to 15 characters. */
  readonly pin: string;
  /** 16 hex digits. */
  readonly soPin: string;
  readonly serialNumber: string;
  /**
   * Something happens to the card, e.g. `remove`, `remove after 3 apdus`, `insert`, `swap`, `power cycle`, `logout`,
   * `erase`, `blank` (never initialised, and says so by its flags), `says blank` (only says so),
   * `pcscd stop`, `pcscd start`, `flash full`, `flash free`, `apdu delay 29000` (microseconds),
   * `fault C_CreateObject rv=CKR_DEVICE_ERROR at=3`, `faults clear`. Rejects with one sentence for anything else.
   */
  control(command: string): Promise<void>;
  /** Commands that the card has answered since it was made. */
  apdus(): number;
  /** Tries that the card's PIN has left, of 3. */
  pinTries(): number;
  /** Grows each time that the card is pulled, leaves by itself, or is put in. */
  insertions(): number;
  /** False once it was pulled, by `remove` or after the number of commands given. */
  present(): boolean;
  dispose(): Promise<void>;
}

let built: Promise<StubBuild> | undefined;

/** Builds what has changed; test files that do so at the same time wait for each other. */
export function buildStub(): Promise<StubBuild> {
  built ??= build();
  return built;
}

async function build(): Promise<StubBuild> {
  await mkdir(buildFolder, { recursive: true });
  const script = 'cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=RelWithDebInfo && cmake --build "$2" -j 2';
  const options: ExecFileOptions = { timeout: 300_000, maxBuffer: 16 * 1024 * 1024 };
  const lock = join(buildFolder, "lock");
  try {
    await exec("flock", [lock, "sh", "-c", script, "sh", join(root, "test", "stub"), buildFolder], options);
  } catch (cause) {
    const output = (cause as { readonly stdout?: string; readonly stderr?: string }) ?? {};
    throw new Error(`the stub library does not build:\n${output.stdout ?? ""}${output.stderr ?? ""}`, {
      cause,
    });
  }
  return {
    modulePath: join(buildFolder, "libhsmstub.so"),
    playerPath: join(buildFolder, "hsmplayer"),
    controlPath: join(buildFolder, "hsmcard"),
  };
}

/** Makes a fresh, initialised card without data objects in a folder of its own. */
export async function makeStubToken(options: StubTokenOptions = {}): Promise<StubToken> {
  const { modulePath, controlPath } = await buildStub();
  const folder = await mkdtemp(join(tmpdir(), "hsm-stub-"));
  const serialNumber = options.serialNumber ?? "ESPICOHSMTR";
  const profile = options.profile ?? "opensc-0.27-pico";
  const run = async (...words: readonly string[]): Promise<void> => {
    try {
      await exec(controlPath, [folder, ...words], { timeout: 10_000 });
    } catch (cause) {
      const { stderr } = cause as { readonly stderr?: string };
      throw new Error(stderr?.trim() || `hsmcard ${words.join(" ")} failed`, { cause });
    }
  };
  await run("create", `profile=${profile}`, `serial=${serialNumber}`);
  const state = openSync(join(folder, "card"), "r");
  const before = process.env["HSM_STUB_CARD"];
  if (options.setEnvironment === true) process.env["HSM_STUB_CARD"] = folder;
  let disposed = false;
  return {
    modulePath,
    env: { HSM_STUB_CARD: folder },
    folder,
    pin: "648219",
    soPin: "3537363231383830",
    serialNumber,
    control: (command) => run(...command.split(" ")),
    apdus: () => Number(readState(state, 16, 8).readBigUInt64LE()),
    pinTries: () => readState(state, 68, 4).readUInt32LE(),
    insertions: () => Number(readState(state, 32, 8).readBigUInt64LE()),
    present: () => readState(state, 24, 4).readUInt32LE() === 1,
    async dispose() {
      if (disposed) return;
      disposed = true;
      closeSync(state);
      if (options.setEnvironment === true) {
        if (before === undefined) delete process.env["HSM_STUB_CARD"];
        else process.env["HSM_STUB_CARD"] = before;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Members of the card's state; their places are CardState's in test/stub/module/shared.h. */
function readState(file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, offset);
  return bytes;
}
