/**
 * The manager's side of an event stream: opened at once, opened anew whenever it ends, with back-off and jitter.
 * A device whose stream is lost counts as gone until it is there again; whoever listens then lists anew.
 */

import * as v from "valibot";
import type { DeviceEvent } from "../hsm/client.ts";
import { HsmError } from "../hsm/errors.ts";
import { type Clock, delay, jittered } from "./clock.ts";
import type { AgentConnection } from "./connection.ts";
import { CHANGES_PATH, type StreamLine, streamLine } from "./contract.ts";
import { joinSignals } from "./signals.ts";

export interface FollowOptions {
  readonly connection: AgentConnection;
  readonly clock: Clock;
  readonly random: () => number;
  /** Milliseconds without a line after which the stream counts as lost. */
  readonly silence: number;
  readonly signal: AbortSignal;
  /** The version of the listing now; asked for after the stream was lost. */
  readonly currentVersion: (signal: AbortSignal) => Promise<string>;
  /** Called once, when the first stream stands or could not be opened. */
  readonly onFirstTry: () => void;
}

const FIRST_WAIT = 200;
const LONGEST_WAIT = 15_000;
/** Events that wait for a reader; past that it is told to look at everything again. */
const MOST_WAITING = 4_096;

export function followChanges(options: FollowOptions): AsyncIterable<DeviceEvent> {
  const queue = new EventQueue(options.signal);
  void follow(options, queue);
  return queue;
}

async function follow(options: FollowOptions, queue: EventQueue): Promise<void> {
  const { clock, random, signal } = options;
  let wait = FIRST_WAIT;
  let first = true;
  let lost = false;
  while (!signal.aborted) {
    const onHello = async (): Promise<void> => {
      wait = FIRST_WAIT;
      if (first) options.onFirstTry();
      else lost = !(await announceBack(options, queue, lost));
      first = false;
    };
    const outcome = await oneStream(options, onHello, queue);
    if (first) options.onFirstTry();
    first = false;
    if (signal.aborted) return;
    if (outcome.kind === "bye") {
      await delay(clock, jittered(20, random), signal);
      continue;
    }
    if (!lost) queue.push({ kind: "gone", reason: outcome.reason });
    lost = true;
    await delay(clock, jittered(wait, random), signal);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

/** Says that the device is there again; `false` while its agent answers but its token does not. */
async function announceBack(options: FollowOptions, queue: EventQueue, lost: boolean): Promise<boolean> {
  try {
    queue.push({ kind: "back", version: await options.currentVersion(options.signal) });
    return true;
  } catch (error) {
    const reason = error instanceof HsmError ? error.message : "The token cannot be listed.";
    // The agent reports `back` on this very stream once its token is there.
    if (!lost) queue.push({ kind: "gone", reason });
    return false;
  }
}

type Outcome = { readonly kind: "bye" } | { readonly kind: "lost"; readonly reason: string };

/** Follows one stream to its end. `onHello` is awaited before the lines behind it are taken. */
async function oneStream(
  options: FollowOptions,
  onHello: () => Promise<void>,
  queue: EventQueue,
): Promise<Outcome> {
  const { clock, connection, signal, silence } = options;
  const stalled = new AbortController();
  const { signal: stop, release } = joinSignals([signal, stalled.signal]);
  let cancel = (): void => {};
  const alive = (): void => {
    cancel();
    cancel = clock.after(silence, () => {
      const message = `The agent at ${connection.address} has gone silent.`;
      stalled.abort(new HsmError("Timeout", message, { operation: "changes" }));
    });
  };
  alive();
  try {
    const headers = { "content-type": "application/json" };
    const response = await connection.post({ path: CHANGES_PATH, headers, body: "{}", signal: stop });
    if (response.statusCode !== 200) {
      await response.body.dump();
      return { kind: "lost", reason: `The agent at ${connection.address} does not serve its events now.` };
    }
    for await (const text of linesOf(response.body)) {
      alive();
      const line = parseLine(text);
      if (line === undefined) break;
      if (line.kind === "bye") return line;
      if (line.kind === "hello") await onHello();
      else if (line.kind !== "alive") queue.push(line);
    }
    return { kind: "lost", reason: `The event stream of the agent at ${connection.address} ended.` };
  } catch (error) {
    const reason = error instanceof HsmError ? error.message : `The agent at ${connection.address} is away.`;
    return { kind: "lost", reason };
  } finally {
    cancel();
    // Lets go of the connection, whatever the stream would still say.
    stalled.abort();
    release();
  }
}

const LONGEST_LINE = 4 * 1024 * 1024;

async function* linesOf(body: AsyncIterable<unknown>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > LONGEST_LINE) return;
    yield* parts;
  }
}

function parseLine(line: string): StreamLine | undefined {
  try {
    const result = v.safeParse(streamLine, JSON.parse(line));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** Events between the stream and whoever iterates; ends with the signal. */
class EventQueue implements AsyncIterable<DeviceEvent> {
  readonly #signal: AbortSignal;
  #waiting: DeviceEvent[] = [];
  #wake: () => void = () => {};

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  push(event: DeviceEvent): void {
    if (this.#waiting.length >= MOST_WAITING) {
      const version = event.kind === "gone" ? "" : event.version;
      this.#waiting = event.kind === "gone" ? [] : [{ kind: "back", version }];
    }
    this.#waiting.push(event);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<DeviceEvent> {
    while (!this.#signal.aborted) {
      const event = this.#waiting.shift();
      if (event !== undefined) yield event;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (this.#signal.aborted || this.#waiting.length > 0) resolve();
        });
    }
  }
}
