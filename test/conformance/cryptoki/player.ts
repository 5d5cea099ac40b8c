/**
 * One player process: it loads the module and plays calls one by one (test/stub/player).
 *
 * A process of its own a recorded process, because PKCS#11 state is the process's; a crash in a call ends the player
 * and is told as such.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface PlayedCall {
  /** `CK_RV` as a decimal; undefined when the process died in the call. */
  readonly rv: string | undefined;
  readonly out: Readonly<Record<string, unknown>>;
  /** Name of the signal that ended the process in this call. */
  readonly crash?: string;
  readonly hang?: true;
}

interface Waiting {
  readonly done: (call: PlayedCall) => void;
  readonly started: () => void;
  readonly timer: NodeJS.Timeout;
}

export interface PlayerOptions {
  readonly player: string;
  readonly module: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds after which a call counts as hung. */
  readonly timeout: number;
}

export class Player {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #timeout: number;
  #sequence = 0;
  #ended: { readonly signal: string } | undefined;
  #stderr = "";
  readonly #exited: Promise<void>;

  private constructor(child: ChildProcess, timeout: number) {
    this.#child = child;
    this.#timeout = timeout;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-2_000);
    });
    this.#exited = new Promise((done) => {
      child.on("close", (code, signal) => {
        this.#end(signal ?? `exit code ${code ?? "unknown"}`);
        done();
      });
    });
  }

  /** Starts a process and waits until it has loaded the module. */
  static async start(options: PlayerOptions): Promise<Player> {
    const child = spawn(options.player, [options.module], {
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const player = new Player(child, options.timeout);
    await new Promise<void>((ready, fail) => {
      child.once("error", fail);
      child.once("close", () =>
        fail(new Error(player.#stderr.trim() || "the player ended before it was ready")),
      );
      child.stdin?.on("error", () => undefined); // A player that died is told by its calls.
      if (child.stdout === null) throw new Error("the player has no output");
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line === '{"ready":true}') ready();
        else player.#take(JSON.parse(line) as Record<string, unknown>);
      });
    });
    return player;
  }

  /** Plays one call on a lane (a thread). `started` is called when the thread has begun it. */
  call(lane: number, command: string, started: () => void = () => undefined): Promise<PlayedCall> {
    const ended = this.#ended;
    if (ended !== undefined) return Promise.resolve({ rv: undefined, out: {}, crash: ended.signal });
    this.#sequence += 1;
    const sequence = this.#sequence;
    return new Promise((done) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(sequence);
        done({ rv: undefined, out: {}, hang: true });
      }, this.#timeout);
      this.#waiting.set(sequence, { done, started, timer });
      this.#child.stdin?.write(`${sequence} ${lane} ${command}\n`);
    });
  }

  /** Ends the process as a crash would: without C_Finalize. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  #take(message: Record<string, unknown>): void {
    const sequence = Number(message["seq"]);
    const waiting = this.#waiting.get(sequence);
    if (waiting === undefined) return; // It was given up as hung.
    if (message["started"] === true) {
      waiting.started();
      return;
    }
    this.#waiting.delete(sequence);
    clearTimeout(waiting.timer);
    waiting.done({
      rv: String(message["rv"]),
      out: (message["out"] ?? {}) as Record<string, unknown>,
    });
  }

  #end(signal: string): void {
    this.#ended = { signal };
    for (const { done, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      done({ rv: undefined, out: {}, crash: this.#stderr.trim() || signal });
    }
    this.#waiting.clear();
  }
}
