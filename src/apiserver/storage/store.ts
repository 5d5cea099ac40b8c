/**
 * All objects in memory under one global revision, backed by a log when a path is given.
 *
 * Everything here is synchronous: a read-check-write of a request handler is atomic as long as it does not await.
 */

import { type KubeObject, ordered } from "../object.ts";
import { Log, type LogRecord } from "./log.ts";
import { type Entry, type Listener, Shelf, type StoreEvent } from "./shelf.ts";

export interface StoreOptions {
  /** The log file; without it the objects live in memory only. */
  readonly path?: string | undefined;
  /** Events kept a resource, for watches and lists of the past. */
  readonly window?: number | undefined;
  /** The log is rewritten when it is larger than this and more than three times what lives. */
  readonly compactBytes?: number | undefined;
}

/** Clients take small revisions for special: leave room below the first one, as a grown cluster has. */
const FIRST_REVISION = 40;
const DEFAULT_WINDOW = 10_000;
const DEFAULT_COMPACT_BYTES = 32 * 1024 * 1024;

export class Store {
  #revision = FIRST_REVISION;
  readonly #shelves = new Map<string, Shelf>();
  readonly #window: number;
  readonly #compactBytes: number;
  readonly #log: Log | undefined;
  #liveBytes = 0;
  /** Revision at which this process began to keep events. */
  #opened: number;
  readonly #observers = new Set<(resource: string, event: StoreEvent) => void>();

  constructor(options: StoreOptions = {}) {
    this.#window = options.window ?? DEFAULT_WINDOW;
    this.#compactBytes = options.compactBytes ?? DEFAULT_COMPACT_BYTES;
    this.#log =
      options.path === undefined ? undefined : Log.open(options.path, (record) => this.#recover(record));
    this.#opened = this.#revision;
    for (const [resource, shelf] of this.#shelves) {
      const kept = new Shelf(this.#opened, this.#window);
      for (const entry of shelf.range("")) kept.load(entry);
      this.#shelves.set(resource, kept);
    }
  }

  /** The revision of the latest write. */
  get revision(): number {
    return this.#revision;
  }

  get(resource: string, key: string): Entry | undefined {
    return this.#shelves.get(resource)?.get(key);
  }

  shelf(resource: string): Shelf {
    let shelf = this.#shelves.get(resource);
    if (shelf === undefined) {
      shelf = new Shelf(this.#opened, this.#window);
      this.#shelves.set(resource, shelf);
    }
    return shelf;
  }

  resources(): string[] {
    return [...this.#shelves.keys()];
  }

  /** Writes the object with the next revision in its metadata and tells the watchers. */
  put(resource: string, key: string, object: KubeObject): Entry {
    const shelf = this.shelf(resource);
    const previous = shelf.get(key);
    const entry = makeEntry(key, this.#revision + 1, object);
    this.#log?.append({ op: "put", revision: entry.revision, resource, key, json: entry.json });
    this.#revision = entry.revision;
    this.#liveBytes += entry.json.length - (previous?.json.length ?? 0);
    const type = previous === undefined ? "ADDED" : "MODIFIED";
    this.#publish(resource, shelf, { type, revision: entry.revision, entry, previous });
    return entry;
  }

  /** Removes the object; what it answers is the last state with the revision of the deletion. */
  delete(resource: string, key: string): Entry | undefined {
    const shelf = this.shelf(resource);
    const previous = shelf.get(key);
    if (previous === undefined) return undefined;
    const entry = makeEntry(key, this.#revision + 1, previous.object);
    this.#log?.append({ op: "delete", revision: entry.revision, resource, key });
    this.#revision = entry.revision;
    this.#liveBytes -= previous.json.length;
    this.#publish(resource, shelf, { type: "DELETED", revision: entry.revision, entry, previous });
    return entry;
  }

  /**
   * Calls the listener for each event of the resource after `revision`, past ones first.
   * Answers how to stop, or undefined when past events are gone.
   */
  watch(resource: string, revision: number, listener: Listener): (() => void) | undefined {
    const shelf = this.shelf(resource);
    const past = shelf.since(revision);
    if (past === undefined) return undefined;
    for (const event of past) listener(event);
    return this.subscribe(resource, listener);
  }

  subscribe(resource: string, listener: Listener): () => void {
    const { listeners } = this.shelf(resource);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Calls the observer for the events of all resources. */
  observe(observer: (resource: string, event: StoreEvent) => void): void {
    this.#observers.add(observer);
  }

  /** A store in memory with the same objects at the same revision, and none of the past events. */
  copy(): Store {
    const copy = new Store({ window: this.#window });
    copy.#revision = this.#revision;
    for (const [resource, shelf] of this.#shelves) {
      const taken = new Shelf(this.#revision, this.#window);
      for (const entry of shelf.range("")) taken.load(entry);
      copy.#shelves.set(resource, taken);
    }
    copy.#opened = this.#revision;
    return copy;
  }

  /** Takes over an event of the store that this one is a copy of. */
  follow(resource: string, event: StoreEvent): void {
    this.#revision = event.revision;
    this.#publish(resource, this.shelf(resource), event);
  }

  /** Forgets all past events, as a compaction of etcd does: older watches and lists answer 410. */
  forgetHistory(): void {
    for (const shelf of this.#shelves.values()) shelf.forget(this.#revision);
  }

  /** Rewrites the log with what lives. */
  compact(): void {
    this.#log?.rewrite(this.#snapshot());
  }

  close(): void {
    this.#log?.close();
  }

  #publish(resource: string, shelf: Shelf, event: StoreEvent): void {
    shelf.apply(event);
    for (const observer of this.#observers) observer(resource, event);
    this.#compactWhenDue();
  }

  #recover(record: LogRecord): void {
    this.#revision = Math.max(this.#revision, record.revision);
    if (record.op === "revision") return;
    const shelf = this.#shelfForRecovery(record.resource);
    this.#liveBytes -= shelf.get(record.key)?.json.length ?? 0;
    if (record.op === "delete") {
      shelf.unload(record.key);
      return;
    }
    this.#liveBytes += record.json.length;
    const { key, revision, json } = record;
    shelf.load({ key, revision, json, object: JSON.parse(json) as KubeObject });
  }

  #shelfForRecovery(resource: string): Shelf {
    let shelf = this.#shelves.get(resource);
    if (shelf === undefined) {
      shelf = new Shelf(0, this.#window);
      this.#shelves.set(resource, shelf);
    }
    return shelf;
  }

  *#snapshot(): Generator<LogRecord> {
    yield { op: "revision", revision: this.#revision };
    for (const [resource, shelf] of this.#shelves) {
      for (const { key, revision, json } of shelf.range("")) {
        yield { op: "put", revision, resource, key, json };
      }
    }
  }

  #compactWhenDue(): void {
    const size = this.#log?.size ?? 0;
    if (size > this.#compactBytes && size > 3 * this.#liveBytes) this.compact();
  }
}

function makeEntry(key: string, revision: number, object: KubeObject): Entry {
  const stamped = ordered({
    ...object,
    metadata: { ...object.metadata, resourceVersion: String(revision) },
  });
  return { key, revision, object: stamped, json: JSON.stringify(stamped) };
}

export type { Entry, StoreEvent };
