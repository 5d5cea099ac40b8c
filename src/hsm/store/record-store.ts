/**
 * RecordStore: the client of a token that stores objects. Reads from an index of the token while nothing changes,
 * commits writes in groups, and tells who listens what changed.
 */

import { randomBytes } from "node:crypto";
import { isUnder, parsePath } from "../../path/path.ts";
import type {
  DeviceEvent,
  HistoryEntry,
  HsmClient,
  ListEntry,
  Listing,
  ListOptions,
  PoolIdentity,
  ReadOptions,
  ReadResult,
  WriteRequest,
  WriteResult,
} from "../client.ts";
import { HsmError } from "../errors.ts";
import { buildPoolRecord, readPoolRecord } from "../record/pool-record.ts";
import { POOL_PATH } from "../record/record.ts";
import type { CallOptions, ObjectToken, TokenEvent, TokenInfo } from "../token.ts";
import { ChangeFeed } from "./change-feed.ts";
import { Committer, type PendingWrite } from "./commit.ts";
import { RecordReader } from "./reader.ts";
import { prepareWrite } from "./request.ts";
import { Serial } from "./serial.ts";
import { type Snapshot, TokenIndex } from "./token-index.ts";

/** On a card every object counts; a token of this many objects or fewer keeps one generation of history. */
const SMALL_TOKEN_OBJECTS = 256;
const SMALL_TOKEN_HISTORY = 1;
const LARGE_TOKEN_HISTORY = 10;
/** Most writes that are proven together: the first of them waits for the last. */
const GROUP_LIMIT = 64;

export interface RecordStoreOptions {
  /** Records kept behind the served one where a write does not say; by the token's size when absent. */
  readonly historyLimit?: number | undefined;
  readonly now?: (() => Date) | undefined;
  readonly randomBytes?: ((length: number) => Uint8Array) | undefined;
}

/** The client over a PKCS#11 token (or any other): takes the token over, and closes it with itself. */
export async function createPkcs11Client(
  token: ObjectToken,
  options: RecordStoreOptions = {},
): Promise<RecordStore> {
  return RecordStore.open(token, options);
}

export class RecordStore implements HsmClient {
  readonly #token: ObjectToken;
  readonly #index: TokenIndex;
  readonly #committer: Committer;
  readonly #reader: RecordReader;
  readonly #feed = new ChangeFeed();
  readonly #serial = new Serial();
  readonly #historyLimit: number;
  readonly #now: () => Date;
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #unsubscribe: () => void;
  #waiting: PendingWrite[] = [];
  #committing = false;
  /** Version of the token's last change; behind it, the index is out of date. */
  #announced = -1;
  #relist = false;
  #closed = false;
  #pool: { readonly digest: string; readonly identity: PoolIdentity } | undefined;

  private constructor(token: ObjectToken, options: RecordStoreOptions) {
    this.#token = token;
    this.#now = options.now ?? (() => new Date());
    this.#randomBytes = options.randomBytes ?? randomBytes;
    const small = token.info().objectCapacity <= SMALL_TOKEN_OBJECTS;
    this.#historyLimit = options.historyLimit ?? (small ? SMALL_TOKEN_HISTORY : LARGE_TOKEN_HISTORY);
    const instance = Buffer.from(this.#randomBytes(8)).toString("hex");
    this.#index = new TokenIndex(token, instance, (snapshot, paths) =>
      this.#feed.publish({ kind: "changed", version: snapshot.version, paths }),
    );
    this.#committer = new Committer(token, this.#index);
    this.#reader = new RecordReader(token, this.#index, {
      current: () => this.#current(),
      recheck: (group) => this.#serial.run(() => this.#recheck(group)),
    });
    this.#unsubscribe = token.onEvent((event) => this.#onTokenEvent(event));
  }

  /** Lists the token once; reads values only where two records stand at one path. */
  static async open(token: ObjectToken, options: RecordStoreOptions = {}): Promise<RecordStore> {
    const store = new RecordStore(token, options);
    try {
      await store.#index.absorb(await token.list(), true);
    } catch (error) {
      store.#unsubscribe();
      throw error;
    }
    return store;
  }

  async info(): Promise<TokenInfo> {
    return this.#token.info();
  }

  async list(options: ListOptions = {}): Promise<Listing> {
    options.signal?.throwIfAborted();
    const snapshot = await this.#current();
    return this.#listing(snapshot, options);
  }

  async read(path: string, options: ReadOptions = {}): Promise<ReadResult> {
    options.signal?.throwIfAborted();
    const parsed = parsePath(path);
    if (!parsed.ok) throw new HsmError("BadInput", parsed.message, { operation: "read" });
    return this.#reader.read(path, options);
  }

  async history(path: string, options: CallOptions = {}): Promise<readonly HistoryEntry[]> {
    options.signal?.throwIfAborted();
    const parsed = parsePath(path);
    if (!parsed.ok) throw new HsmError("BadInput", parsed.message, { operation: "history" });
    return this.#serial.run(async () => {
      const snapshot = await this.#upToDate();
      const newer = await this.#index.learnGroups(snapshot.model.paths.get(path)?.groups ?? []);
      if (newer !== undefined) await this.#index.absorb(newer, true);
      return this.#reader.history(path);
    });
  }

  async pool(options: CallOptions = {}): Promise<PoolIdentity | undefined> {
    options.signal?.throwIfAborted();
    const snapshot = await this.#current();
    const digest = snapshot.paths.get(POOL_PATH)?.entry?.digest;
    if (digest !== undefined && this.#pool?.digest === digest) return this.#pool.identity;
    const result = await this.#reader.read(POOL_PATH, {});
    if (result.state === "absent" || result.record.deleted) return undefined;
    this.#pool = { digest: result.digest, identity: readPoolRecord(result.record) };
    return this.#pool.identity;
  }

  async setPool(pool: PoolIdentity, options: CallOptions = {}): Promise<void> {
    const present = await this.pool(options);
    if (present !== undefined && present.id !== pool.id) {
      throw new HsmError("Conflict", "The token belongs to another pool.", { operation: "setPool" });
    }
    if (present !== undefined && !Buffer.from(present.checksumKey).equals(pool.checksumKey)) {
      throw new HsmError(
        "Conflict",
        "The token's pool has another checksum key, which is never replaced silently.",
        {
          operation: "setPool",
        },
      );
    }
    const members = [...new Set(pool.members)].sort();
    if (present !== undefined && present.members.join("\n") === members.join("\n")) return;
    const read = await this.#reader.read(POOL_PATH, {});
    const current = read.state === "present" ? read.record : undefined;
    const { bytes } = buildPoolRecord(pool, current, {
      device: this.#token.info().serialNumber,
      writer: "pool",
      now: this.#now,
      randomBytes: this.#randomBytes,
    });
    const expect =
      read.state === "present"
        ? ({ kind: "generation", generation: read.record.generation, digest: read.digest } as const)
        : ({ kind: "absent" } as const);
    const result = await this.#submit({ path: POOL_PATH, record: bytes, expect, historyLimit: 0 }, undefined);
    if (result.status === "failed") throw result.error;
    if (result.status === "conflict") {
      throw new HsmError("Conflict", "The token's pool was changed by another writer.", {
        operation: "setPool",
      });
    }
  }

  async write(requests: readonly WriteRequest[], options: CallOptions = {}): Promise<readonly WriteResult[]> {
    options.signal?.throwIfAborted();
    const pool = (await this.pool(options))?.id;
    return Promise.all(requests.map((request) => this.#submit(request, pool)));
  }

  async refresh(options: CallOptions = {}): Promise<Listing> {
    options.signal?.throwIfAborted();
    const snapshot = await this.#serial.run(async () => {
      this.#ensureOpen();
      const fresh = await this.#index.absorb(await this.#token.refresh(), true);
      this.#committer.unproven = false;
      this.#relist = false;
      return fresh;
    });
    return this.#listing(snapshot, {});
  }

  changes(signal: AbortSignal): AsyncIterable<DeviceEvent> {
    return this.#feed.subscribe(signal);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe();
    this.#feed.close();
    for (const { settle } of this.#waiting.splice(0)) settle({ status: "failed", error: closedError() });
    await this.#token.close();
  }

  /** A request that cannot be written is answered at once; the others wait for the next group. */
  #submit(request: WriteRequest, pool: string | undefined): Promise<WriteResult> {
    const prepared = prepareWrite(request, {
      pool: request.path === POOL_PATH ? "any" : pool,
      partSize: this.#token.info().partSize,
      historyLimit: this.#historyLimit,
    });
    if (prepared instanceof HsmError) return Promise.resolve({ status: "failed", error: prepared });
    if (this.#closed) return Promise.resolve({ status: "failed", error: closedError() });
    return new Promise((settle) => {
      this.#waiting.push({ write: prepared, settle });
      if (this.#waiting.length === 1) this.#scheduleCommit();
    });
  }

  #scheduleCommit(): void {
    void this.#serial.run(async () => {
      const group = this.#waiting.splice(0, GROUP_LIMIT);
      if (group.length === 0) return;
      this.#committing = true;
      try {
        await this.#upToDate();
        const later = await this.#committer.commit(group);
        this.#waiting.unshift(...later);
      } catch (cause) {
        const error = cause instanceof HsmError ? cause : closedError(cause);
        for (const { settle } of group) settle({ status: "failed", error });
      } finally {
        this.#committing = false;
      }
      if (this.#waiting.length > 0) this.#scheduleCommit();
    });
  }

  /** The snapshot for a reader. Only where the token changed by itself must a reader wait. */
  #current(): Snapshot | Promise<Snapshot> {
    if (this.#closed) throw closedError();
    if (!this.#isStale() || this.#committing) return this.#index.snapshot;
    return this.#serial.run(() => this.#upToDate());
  }

  #isStale(): boolean {
    return this.#relist || this.#announced > this.#index.snapshot.model.version;
  }

  /** To be called in the serial queue. */
  async #upToDate(): Promise<Snapshot> {
    this.#ensureOpen();
    if (!this.#isStale()) return this.#index.snapshot;
    this.#relist = false;
    try {
      const snapshot = await this.#index.absorb(await this.#token.list(), false);
      this.#announced = Math.min(this.#announced, snapshot.model.version);
      return snapshot;
    } catch (error) {
      this.#relist = true;
      throw error;
    }
  }

  async #recheck(group: Parameters<TokenIndex["learnGroups"]>[0][number]): Promise<void> {
    const listing = await this.#index.suspect(group);
    await this.#index.absorb(listing, true);
  }

  #onTokenEvent(event: TokenEvent): void {
    if (event.kind === "changed") {
      this.#announced = Math.max(this.#announced, event.version);
      if (!this.#committing) void this.#serial.run(() => this.#upToDate()).catch(() => undefined);
    } else if (event.kind === "back") {
      this.#relist = true;
      void this.#serial
        .run(() => this.#upToDate())
        .then((snapshot) => this.#feed.publish({ kind: "back", version: snapshot.version }))
        .catch(() => undefined);
    } else if (event.kind !== "state") {
      const reason = event.kind === "gone" ? event.reason : `${event.operation} does not return`;
      this.#feed.publish({ kind: "gone", reason });
    }
  }

  #listing(snapshot: Snapshot, options: ListOptions): Listing {
    const { prefix } = options;
    const all: Iterable<ListEntry> =
      options.foreign === true ? this.#reader.withPlain(snapshot) : snapshot.entries.values();
    const entries = prefix === undefined ? [...all] : [...all].filter((entry) => isUnder(entry.path, prefix));
    return {
      entries,
      problems: snapshot.problems,
      version: snapshot.version,
      objectsUsed: snapshot.model.objectsUsed,
      objectCapacity: this.#token.info().objectCapacity,
    };
  }

  #ensureOpen(): void {
    if (this.#closed) throw closedError();
  }
}

function closedError(cause?: unknown): HsmError {
  return new HsmError("TokenGone", "The token was closed.", { operation: "close", cause });
}
