/**
 * Writes of one device: makes the token a member of the pool, builds the record from what the plan saw, hands it
 * over by compare-and-set, and reports the checksum of the bytes that were proven.
 */

import type { Expectation, ListEntry, PoolIdentity } from "../hsm/client.ts";
import { HsmError } from "../hsm/errors.ts";
import { type BuiltRecord, buildRecord, buildTombstone, type Current } from "../hsm/record/build.ts";
import { checksum } from "../hsm/record/checksum.ts";
import type { SecretRecord } from "../hsm/record/record.ts";
import type { Clock } from "../rpc/clock.ts";
import type { DeviceView } from "./device.ts";
import { decideOwnership } from "./identity.ts";
import type { VerifiedReads } from "./reads.ts";
import type { WriteIntent, WriteOutcome } from "./store.ts";

export interface WriterOptions {
  readonly device: DeviceView;
  readonly reads: VerifiedReads;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly checksumKey: Uint8Array;
  /** The pool's id where it is known; else that of the first token is taken, or a new one is made. */
  readonly poolId: string | undefined;
  /** Serial numbers of all devices of the pool. */
  readonly members: readonly string[];
  readonly historyLimit: number | undefined;
}

interface Pending {
  readonly intent: string;
  readonly built: BuiltRecord;
  readonly cancel: () => void;
}

const MOST_REMEMBERED = 4_096;
/** How long a record is kept of which nobody knows whether it was written. */
const PENDING_LIFETIME = 600_000;

export class DeviceWriter {
  readonly #options: WriterOptions;
  /** By path. A retry of the same intent hands over the same bytes: the nonce in them makes it safe. */
  readonly #pending = new Map<string, Pending>();
  /** By path: what we wrote last, without its values. */
  readonly #last = new Map<string, { readonly digest: string; readonly record: NonNullable<Current> }>();
  #poolId: string | undefined;
  #claiming: Promise<PoolIdentity> | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#poolId = options.poolId;
  }

  /** The pool that the device is known to belong to, once one is known. */
  get poolId(): string | undefined {
    return this.#poolId;
  }

  /** Takes the id of the first token that is seen; a later one with another id is foreign. */
  learnPool(pool: PoolIdentity | undefined): void {
    this.#poolId ??= pool?.id;
  }

  /** Gives the token its pool if it can be listed and has none. A power cut leaves it with one or without, as before. */
  async claimBlank(): Promise<void> {
    const state = await this.#options.device.state();
    if (state.state === "listed" && state.pool === undefined) await this.#ownPool();
  }

  async write(intent: WriteIntent, signal: AbortSignal | undefined): Promise<WriteOutcome> {
    const { device, historyLimit } = this.#options;
    const pool = await this.#ownPool();
    const built = await this.#build(intent, pool);
    if (built === "conflict") return { status: "conflict" };
    const request = {
      path: intent.path,
      record: built.bytes,
      expect: expectationOf(intent),
      historyLimit: intent.historyLimit ?? historyLimit,
    };
    this.#remember(intent, built);
    const [result] = await device.run("write", () => device.client.write([request], { signal }));
    if (result === undefined) throw improper("The device gave no result for a write.");
    if (result.status === "failed") {
      if (!result.error.retryable) this.#forget(intent.path);
      throw result.error;
    }
    this.#forget(intent.path);
    if (result.status === "conflict") {
      void device.reload();
      return { status: "conflict" };
    }
    if (result.digest !== built.digest || result.generation !== built.record.generation) {
      throw improper("The device proved another record than the one that was written.");
    }
    await this.#enter(built, pool);
    return {
      status: "written",
      pool: pool.id,
      generation: result.generation,
      digest: result.digest,
      dot: built.record.dot,
      checksum: checksum(built.record.keys, this.#options.checksumKey),
    };
  }

  close(): void {
    for (const path of [...this.#pending.keys()]) this.#forget(path);
  }

  /** The pool of the token, which gets it now if it has none. Rejects with `Conflict` for another pool's token. */
  async #ownPool(): Promise<PoolIdentity> {
    const state = await this.#options.device.state();
    if (state.state === "failed") {
      throw new HsmError(state.errorClass, state.message, { operation: "write" });
    }
    const facts = { known: this.#poolId, token: state.pool, checksumKey: this.#options.checksumKey };
    const ownership = decideOwnership(facts);
    if (ownership.kind === "foreign") {
      throw new HsmError("Conflict", ownership.message, { operation: "write" });
    }
    if (ownership.kind === "ours" && state.pool !== undefined) return state.pool;
    this.#claiming ??= this.#claim().finally(() => {
      this.#claiming = undefined;
    });
    return this.#claiming;
  }

  async #claim(): Promise<PoolIdentity> {
    const { device, members, checksumKey, randomBytes } = this.#options;
    const id = this.#poolId ?? Buffer.from(randomBytes(16)).toString("hex");
    const pool: PoolIdentity = { id, members, checksumKey };
    try {
      await device.run("setPool", () => device.client.setPool(pool));
      this.#poolId = id;
    } finally {
      await device.reload();
    }
    return pool;
  }

  async #build(intent: WriteIntent, pool: PoolIdentity): Promise<BuiltRecord | "conflict"> {
    const known = this.#pending.get(intent.path);
    if (known?.intent === this.#describe(intent)) return known.built;
    const seen = await this.#current(intent);
    if (seen === "conflict") return "conflict";
    const { clock, device, randomBytes } = this.#options;
    const context = {
      pool: Buffer.from(pool.id, "hex"),
      device: device.serialNumber,
      writer: intent.writer,
      now: () => new Date(clock.now()),
      randomBytes,
    };
    const next = { path: intent.path, current: seen.current, settles: seen.others };
    if (intent.keys === null) return buildTombstone(next, context);
    return buildRecord({ ...next, keys: intent.keys, meta: intent.meta }, context);
  }

  /** What the new record descends from: what the plan saw, and the other heads of a conflict that it settles. */
  async #current(
    intent: WriteIntent,
  ): Promise<{ readonly current: Current; readonly others: readonly SecretRecord[] } | "conflict"> {
    const { expect, path } = intent;
    const { reads } = this.#options;
    const own = this.#last.get(path);
    if (expect !== "absent" && own?.digest === expect.digest && own.record.generation === expect.generation) {
      // Written by us, so that nothing else is a head: no value has to be read for its clock. If another record
      // came meanwhile, the device refuses.
      return { current: own.record, others: [] };
    }
    const result = await reads.read(path);
    const there = result.state === "present" && result.kind === "record" ? result : undefined;
    if (expect === "absent" || expect.generation === 0) {
      return there === undefined ? { current: undefined, others: [] } : "conflict";
    }
    if (there?.record.generation !== expect.generation || there.digest !== expect.digest) return "conflict";
    const others: SecretRecord[] = [];
    for (const head of there.conflicts) {
      const other = await reads.read(path, head.generation);
      // Two heads of one generation cannot be told apart by it: the other one stays a conflict.
      if (other.state === "present" && other.digest === head.digest) others.push(other.record);
    }
    return { current: there.record, others };
  }

  /** Enters the proven record into the listing, before the change event comes. */
  async #enter(built: BuiltRecord, pool: PoolIdentity): Promise<void> {
    const state = await this.#options.device.state();
    const { record, digest } = built;
    const { generation, clock, meta } = record;
    this.#last.delete(record.path);
    this.#last.set(record.path, { digest, record: { generation, clock, meta } });
    const [oldest] = this.#last.keys();
    if (this.#last.size > MOST_REMEMBERED && oldest !== undefined) this.#last.delete(oldest);
    const before = state.state === "listed" ? state.entries.get(record.path) : undefined;
    const entry: ListEntry = {
      path: record.path,
      kind: "record",
      generation: record.generation,
      digest,
      state: record.deleted ? "dead" : "live",
      objects: before?.objects ?? 1,
      records: before?.records ?? 1,
      conflict: false,
    };
    this.#options.device.enter(entry, pool);
  }

  #remember(intent: WriteIntent, built: BuiltRecord): void {
    this.#forget(intent.path);
    const cancel = this.#options.clock.after(PENDING_LIFETIME, () => this.#pending.delete(intent.path));
    this.#pending.set(intent.path, { intent: this.#describe(intent), built, cancel });
  }

  #forget(path: string): void {
    this.#pending.get(path)?.cancel();
    this.#pending.delete(path);
  }

  /** Equal for equal intents: what is expected, who writes, and the keyed checksum of what. */
  #describe(intent: WriteIntent): string {
    const content = intent.keys === null ? "tombstone" : checksum(intent.keys, this.#options.checksumKey);
    return JSON.stringify([intent.expect, intent.writer, intent.meta ?? null, content]);
  }
}

function expectationOf(intent: WriteIntent): Expectation {
  const { expect } = intent;
  // Foreign objects have generation 0 and do not count as a record.
  if (expect === "absent" || expect.generation === 0) return { kind: "absent" };
  return { kind: "generation", generation: expect.generation, digest: expect.digest };
}

function improper(message: string): HsmError {
  return new HsmError("Internal", message, { operation: "write" });
}
