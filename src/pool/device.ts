/**
 * One device as its listing: kept by the change stream, with a jittered list as the safety net. There is one poll a
 * device, not one a secret. A device that cannot be listed is `failed`, and nothing on it counts as absent.
 */

import type { DeviceEvent, HsmClient, ListEntry, Listing, PoolIdentity } from "../hsm/client.ts";
import { HsmError, type HsmErrorClass } from "../hsm/errors.ts";
import { type Clock, delay, jittered } from "../rpc/clock.ts";
import type { Logger } from "../telemetry/log.ts";

export interface Failure {
  readonly errorClass: HsmErrorClass;
  readonly message: string;
}

/** What one look at the device gave. */
export type DeviceState =
  | {
      readonly state: "listed";
      readonly entries: ReadonlyMap<string, ListEntry>;
      readonly pool: PoolIdentity | undefined;
    }
  | ({ readonly state: "failed" } & Failure);

export type Operation = "list" | "refresh" | "pool" | "info" | "read" | "write" | "setPool";

export interface OperationReport {
  readonly operation: Operation;
  readonly device: string;
  readonly outcome: "ok" | "conflict" | HsmErrorClass;
  readonly seconds: number;
}

export interface DeviceViewOptions {
  /** The HSMDevice's name. */
  readonly name: string;
  readonly serialNumber: string;
  readonly client: HsmClient;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Milliseconds between two lists that nothing asked for. */
  readonly pollInterval: number;
  /** Milliseconds between two looks at the token itself, which see what other programs wrote. */
  readonly refreshInterval: number;
  readonly onOperation: (report: OperationReport) => void;
  /** The paths whose entry changed; `null`: look at all of them again. */
  readonly onChange: (paths: readonly string[] | null) => void;
}

const FIRST_RETRY = 500;
const LONGEST_RETRY = 30_000;
/** Milliseconds in which change events are gathered before one list answers them all. */
const GATHER = 20;

export class DeviceView {
  readonly name: string;
  readonly serialNumber: string;
  readonly client: HsmClient;
  readonly #options: DeviceViewOptions;
  readonly #ended = new AbortController();
  readonly #firstLook: Promise<void>;
  #looked: () => void = () => {};
  #state: DeviceState = { state: "failed", errorClass: "Busy", message: "The device was not listed yet." };
  /** Entries of our own writes that finished while a list was under way: it may not know them. */
  #writtenMeanwhile = new Map<string, ListEntry>();
  #checked = false;
  /** The device said that it is gone: what it lists is believed once it was really looked at again. */
  #gone = false;
  #loading: Promise<void> | undefined;
  #wanted = false;
  #cancelNext: () => void = () => {};
  #cancelGathering: (() => void) | undefined;
  #retry = FIRST_RETRY;
  #lastRefresh: number;

  constructor(options: DeviceViewOptions) {
    this.#options = options;
    this.name = options.name;
    this.serialNumber = options.serialNumber;
    this.client = options.client;
    this.#lastRefresh = options.clock.now();
    this.#firstLook = new Promise((resolve) => {
      this.#looked = resolve;
    });
    // Subscribed before the first list: what changes in between is reported.
    void this.#follow();
    void this.reload();
  }

  /** Waits for the first list to succeed or fail. */
  async state(signal?: AbortSignal): Promise<DeviceState> {
    await unlessAborted(this.#firstLook, signal);
    return this.#state;
  }

  /** Lists once more, after the list that is under way. */
  async reload(): Promise<void> {
    this.#wanted = true;
    this.#loading ??= this.#loadWhileWanted();
    await this.#loading;
  }

  /** Enters what a write of ours has proven, so that whoever looks next sees it. */
  enter(entry: ListEntry, pool: PoolIdentity): void {
    if (this.#state.state !== "listed") return;
    const entries = new Map(this.#state.entries);
    entries.set(entry.path, entry);
    this.#state = { state: "listed", entries, pool };
    if (this.#loading !== undefined) this.#writtenMeanwhile.set(entry.path, entry);
    this.#options.onChange([entry.path]);
  }

  /** Runs one call on the device and reports how it went. */
  async run<T>(operation: Operation, call: () => Promise<T>): Promise<T> {
    const { clock, onOperation } = this.#options;
    const started = clock.now();
    const report = (outcome: OperationReport["outcome"]): void =>
      onOperation({ operation, device: this.name, outcome, seconds: (clock.now() - started) / 1000 });
    try {
      const result = await call();
      report("ok");
      return result;
    } catch (error) {
      report(failureOf(error).errorClass);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#cancelNext();
    this.#cancelGathering?.();
    this.#looked();
    this.#fail({ errorClass: "TokenGone", message: "The store is closed." });
    await this.client.close();
  }

  async #loadWhileWanted(): Promise<void> {
    try {
      while (this.#wanted && !this.#ended.signal.aborted) {
        this.#wanted = false;
        await this.#load();
      }
    } finally {
      this.#loading = undefined;
    }
  }

  async #load(): Promise<void> {
    const { clock, log, random } = this.#options;
    this.#cancelNext();
    this.#writtenMeanwhile.clear();
    let next: number;
    try {
      const { pool, listing } = await this.#observe();
      this.#retry = FIRST_RETRY;
      next = jittered(this.#options.pollInterval, random);
      this.#take(listing, pool);
    } catch (error) {
      const failure = failureOf(error);
      log.warn("the device cannot be listed", { device: this.name, reason: failure.message });
      next = jittered(this.#retry, random);
      this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY);
      this.#fail(failure);
    }
    this.#looked();
    if (this.#ended.signal.aborted) return;
    this.#cancelNext = clock.after(next, () => void this.reload());
  }

  async #observe(): Promise<{ readonly pool: PoolIdentity | undefined; readonly listing: Listing }> {
    const { clock } = this.#options;
    const signal = this.#ended.signal;
    if (!this.#checked) {
      const info = await this.run("info", () => this.client.info({ signal }));
      if (info.serialNumber !== this.serialNumber) {
        const message = `The device serves token ${info.serialNumber} in place of ${this.serialNumber}.`;
        throw new HsmError("TokenGone", message, { operation: "info" });
      }
      this.#checked = true;
    }
    const due = this.#gone || clock.now() - this.#lastRefresh >= this.#options.refreshInterval;
    const listing = due
      ? await this.run("refresh", () => this.client.refresh({ signal }))
      : await this.run("list", () => this.client.list({ signal }));
    if (due) this.#lastRefresh = clock.now();
    this.#gone = false;
    const pool = await this.run("pool", () => this.client.pool({ signal }));
    return { pool, listing };
  }

  #take(listing: Listing, pool: PoolIdentity | undefined): void {
    const entries = new Map(listing.entries.map((entry) => [entry.path, entry]));
    for (const [path, written] of this.#writtenMeanwhile) {
      const listed = entries.get(path);
      if (listed !== undefined && listed.generation >= written.generation) continue;
      entries.set(path, written);
      this.#wanted = true;
    }
    const before = this.#state;
    this.#state = { state: "listed", entries, pool };
    const anew = before.state === "failed" || before.pool?.id !== pool?.id;
    const changed = anew ? null : differing(before.entries, entries);
    if (changed === null || changed.length > 0) this.#options.onChange(changed);
  }

  #fail(failure: Failure): void {
    const was = this.#state;
    this.#state = { state: "failed", ...failure };
    this.#checked = false;
    const same = was.state === "failed" && was.message === failure.message;
    if (!same && !this.#ended.signal.aborted) this.#options.onChange(null);
  }

  async #follow(): Promise<void> {
    const { clock, log } = this.#options;
    const signal = this.#ended.signal;
    while (!signal.aborted) {
      try {
        for await (const event of this.client.changes(signal)) this.#handle(event);
      } catch (error) {
        log.warn("the change stream failed", { device: this.name, reason: failureOf(error).message });
      }
      // A stream that ended by itself may have missed something.
      await delay(clock, jittered(FIRST_RETRY, this.#options.random), signal);
      if (!signal.aborted) await this.reload();
    }
  }

  #handle(event: DeviceEvent): void {
    if (event.kind === "gone") {
      this.#gone = true;
      this.#fail({ errorClass: "TokenGone", message: event.reason });
    }
    if (event.kind === "back") this.#gone = false;
    if (event.kind !== "changed") return void this.reload();
    this.#cancelGathering ??= this.#options.clock.after(GATHER, () => {
      this.#cancelGathering = undefined;
      void this.reload();
    });
  }
}

function differing(
  before: ReadonlyMap<string, ListEntry>,
  after: ReadonlyMap<string, ListEntry>,
): readonly string[] {
  const changed: string[] = [];
  for (const [path, entry] of after) {
    const old = before.get(path);
    if (old === undefined || !sameEntry(old, entry)) changed.push(path);
  }
  for (const path of before.keys()) if (!after.has(path)) changed.push(path);
  return changed;
}

function sameEntry(a: ListEntry, b: ListEntry): boolean {
  return (
    a.kind === b.kind &&
    a.generation === b.generation &&
    a.digest === b.digest &&
    a.state === b.state &&
    a.conflict === b.conflict &&
    // Foreign objects have no digest: their number is all that tells of a change.
    (a.kind === "record" || a.objects === b.objects)
  );
}

/** A failure as the store reports it. What is no HsmError is told by class only: its text may hold anything. */
export function failureOf(error: unknown): Failure {
  if (error instanceof HsmError) return { errorClass: error.class, message: error.message };
  return {
    errorClass: "Internal",
    message: "The call failed in a way that nobody foresaw; the log says how.",
  };
}

/** Rejects with the signal's reason as soon as it aborts; the promise itself goes on for others. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
