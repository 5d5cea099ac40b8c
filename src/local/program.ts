/** A child process that is kept running: started, waited for until it serves, started anew when it dies, stopped. */

import { type ChildProcess, spawn } from "node:child_process";
import {
  createWriteStream,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  type WriteStream,
  writeFileSync,
} from "node:fs";
import { createInterface } from "node:readline";
import { backoffDelay } from "../kube/backoff.ts";
import { type Clock, type Random, sleep } from "../kube/clock.ts";
import { withDeadline } from "./deadline.ts";
import { formatIdentity, identify, parseIdentity, runs } from "./process-identity.ts";

export type ProgramState = "stopped" | "starting" | "ready" | "restarting";

export interface ProgramOptions {
  /** Also the name of its log. */
  readonly name: string;
  /** For this Node: the script and its flags. */
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly logFile: string;
  readonly pidFile: string;
  /** Resolves once it serves, rejects while it does not: asked again and again. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly onState?: ((state: ProgramState, detail: string) => void) | undefined;
  /** Each line that it writes. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** Milliseconds after which a start counts as failed. */
const START_TIMEOUT = 30_000;
const PROBE_PAUSE = 25;
const PROBE_TIMEOUT = 5_000;
/** Milliseconds that a program has to end by itself. */
const GRACE = 10_000;
/** Bytes; looked at when a program starts. */
const LARGEST_LOG = 16 * 1024 * 1024;
const RESTART = { base: 200, max: 10_000 };
/** A program that ran this long was not in a crash loop, milliseconds. */
const STABLE = 30_000;
/** Last lines among which the message of a failed start finds the one that it quotes. */
const REMEMBERED_LINES = 30;

/** Children have groups of their own: a parent that ends in a hurry must take them along. */
const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

export class Program {
  readonly name: string;
  readonly #options: ProgramOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #wanted: AbortController | undefined;
  #supervising: Promise<void> = Promise.resolve();
  #state: ProgramState = "stopped";
  #restarts = 0;
  /** It ended because we killed it: that says nothing about its health. */
  #killed = false;
  #lastLines: string[] = [];

  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get state(): ProgramState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Times that it died and was started anew. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Resolves when it serves. Rejects, with its last words, when it ended before or was not ready in time. */
  async start(): Promise<void> {
    if (this.#wanted !== undefined) return;
    const wanted = new AbortController();
    this.#wanted = wanted;
    for (;;) {
      try {
        this.#killed = false;
        await this.#launch(wanted.signal);
        break;
      } catch (error) {
        await this.#end();
        if (this.#killed && !wanted.signal.aborted) continue;
        this.#wanted = undefined;
        this.#become("stopped", "did not start");
        throw error;
      }
    }
    this.#supervising = this.#supervise(wanted.signal);
  }

  /** Asks it to end, insists after ten seconds. Idempotent. */
  async stop(): Promise<void> {
    this.#wanted?.abort();
    this.#wanted = undefined;
    await this.#end();
    await this.#supervising;
    this.#become("stopped", "");
  }

  /** Ends it without warning, for tests; it is started anew at once. False when it is not running. */
  kill(): boolean {
    const killed = this.#child?.kill("SIGKILL") ?? false;
    this.#killed ||= killed;
    return killed;
  }

  async #supervise(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const since = clock.monotonic();
      await this.#exited;
      if (signal.aborted) return;
      if (this.#killed) failures = 0;
      this.#killed = false;
      failures = clock.monotonic() - since >= STABLE ? 1 : failures + 1;
      this.#restarts += 1;
      const delay = backoffDelay(failures, RESTART, random);
      this.#become("restarting", `ended; starts again in ${Math.round(delay)} ms`);
      await sleep(clock, delay, signal);
      if (signal.aborted) return;
      await this.#launch(signal).catch(async (error: unknown) => {
        this.#become("restarting", error instanceof Error ? error.message : "did not start");
        await this.#end();
      });
    }
  }

  async #launch(signal: AbortSignal): Promise<void> {
    const { name, args, environment, probe, clock } = this.#options;
    this.#lastLines = [];
    // A group of its own: Ctrl-C reaches the parent alone, which then stops everything in order.
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#child = child;
    children.add(child);
    this.#become("starting", `process ${child.pid ?? "?"}`);
    rotate(this.#options.logFile);
    const log = createWriteStream(this.#options.logFile, { flags: "a" });
    log.on("error", () => {}); // A full disk takes the log, not the programs.
    const recorded = [this.#record(child.stdout, log), this.#record(child.stderr, log)];
    this.#exited = new Promise((resolve) => {
      const gone = async () => {
        // Its last words are in the log, and known to who quotes them, before anybody hears that it ended.
        await Promise.all(recorded);
        await new Promise<void>((written) => log.end(written));
        children.delete(child);
        if (this.#child === child) this.#child = undefined;
        rmSync(this.#options.pidFile, { force: true });
        resolve();
      };
      child.once("error", () => void gone());
      child.once("close", () => void gone());
    });
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity !== undefined) writeFileSync(this.#options.pidFile, formatIdentity(identity));
    const deadline = clock.monotonic() + START_TIMEOUT;
    for (;;) {
      if (signal.aborted) throw new Error(`${name} was stopped.`);
      if (this.#child !== child) throw new Error(`${name} ended at its start. ${this.#quote()}`);
      try {
        await withDeadline(PROBE_TIMEOUT, signal, probe);
        break;
      } catch (error) {
        if (clock.monotonic() >= deadline) {
          throw new Error(`${name} was not ready in ${START_TIMEOUT / 1000} s. ${this.#quote()}`, {
            cause: error,
          });
        }
      }
      await sleep(clock, PROBE_PAUSE, signal);
    }
    this.#become("ready", `process ${child.pid}`);
  }

  /** Resolves when there is no more. */
  #record(stream: NodeJS.ReadableStream, log: WriteStream): Promise<void> {
    const lines = createInterface({ input: stream });
    lines.on("line", (line) => {
      log.write(`${line}\n`);
      this.#lastLines.push(line);
      if (this.#lastLines.length > REMEMBERED_LINES) this.#lastLines.shift();
      this.#options.onLine?.(line);
    });
    return new Promise((resolve) => lines.on("close", resolve));
  }

  /** What it said last that names a failure: its own sentence, or the head of a stack trace. */
  #quote(): string {
    const where = `Its log is ${this.#options.logFile}.`;
    const said = this.#lastLines.filter((line) => line.trim() !== "");
    const line =
      said.findLast((text) => text.startsWith(`${this.name}: `) || /^\w*Error\b/.test(text)) ?? said.at(-1);
    return line === undefined ? where : `It said: ${sentenceOf(line)} ${where}`;
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill("SIGTERM");
    const cancel = this.#options.clock.after(GRACE, () => child.kill("SIGKILL"));
    await this.#exited;
    cancel();
  }

  #become(state: ProgramState, detail: string): void {
    if (state === this.#state && state !== "restarting") return;
    this.#state = state;
    this.#options.onState?.(state, detail);
  }
}

/** The words of a log line without its fields; other lines as they are. */
function sentenceOf(line: string): string {
  if (!line.startsWith("{")) return line;
  try {
    const { msg, reason } = JSON.parse(line) as { readonly msg?: unknown; readonly reason?: unknown };
    return `${String(msg)}${reason === undefined ? "" : `: ${String(reason)}`}`;
  } catch {
    return line;
  }
}

/** A log that grew too large becomes the one before; there are never more than two. */
function rotate(file: string): void {
  try {
    if (statSync(file).size > LARGEST_LOG) renameSync(file, `${file}.1`);
  } catch {
    // There is none yet.
  }
}

/** Ends a child that a killed parent left behind, found by the file that it wrote. */
export async function endLeftover(pidFile: string, clock: Clock): Promise<boolean> {
  let text: string;
  try {
    text = readFileSync(pidFile, "utf8");
  } catch {
    return false;
  }
  const identity = parseIdentity(text);
  rmSync(pidFile, { force: true });
  if (identity === undefined || !runs(identity)) return false;
  process.kill(identity.pid, "SIGTERM");
  const deadline = clock.monotonic() + GRACE;
  while (runs(identity)) {
    if (clock.monotonic() >= deadline) process.kill(identity.pid, "SIGKILL");
    await sleep(clock, PROBE_PAUSE);
  }
  return true;
}
