/** The objects of one resource in key order, with the recent events that make old states and watches possible. */

import type { KubeObject } from "../object.ts";

export interface Entry {
  readonly key: string;
  readonly revision: number;
  readonly object: KubeObject;
  /** The object as JSON, made once for the log and every answer. */
  readonly json: string;
}

export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  /** The state after the event; for DELETED the last state, with the revision of the deletion. */
  readonly entry: Entry;
  /** The state before it. */
  readonly previous: Entry | undefined;
}

export type Listener = (event: StoreEvent) => void;

export class Shelf {
  readonly #entries = new Map<string, Entry>();
  readonly #keys: string[] = [];
  readonly listeners = new Set<Listener>();
  #history: StoreEvent[] = [];
  /** Events up to this revision are no longer (or never were) kept. */
  #floor: number;
  readonly #window: number;

  constructor(floor: number, window: number) {
    this.#floor = floor;
    this.#window = window;
  }

  get floor(): number {
    return this.#floor;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Loads an entry without an event. */
  load(entry: Entry): void {
    if (!this.#entries.has(entry.key)) this.#keys.splice(this.#position(entry.key), 0, entry.key);
    this.#entries.set(entry.key, entry);
  }

  unload(key: string): void {
    if (this.#entries.delete(key)) this.#keys.splice(this.#position(key), 1);
  }

  apply(event: StoreEvent): void {
    if (event.type === "DELETED") this.unload(event.entry.key);
    else this.load(event.entry);
    this.#history.push(event);
    if (this.#history.length >= this.#window * 2) this.#trim(this.#window);
    for (const listener of [...this.listeners]) listener(event);
  }

  /** Entries whose key begins with `prefix`, in key order; `after` starts behind that key. */
  *range(prefix: string, after = ""): Generator<Entry> {
    const start = after > prefix ? after : prefix;
    for (let at = this.#position(start); at < this.#keys.length; at += 1) {
      const key = this.#keys[at] as string;
      if (!key.startsWith(prefix)) return;
      const entry = this.#entries.get(key);
      if (entry !== undefined) yield entry;
    }
  }

  count(prefix: string): number {
    if (prefix === "") return this.#keys.length;
    return this.#position(`${prefix}\uffff`) - this.#position(prefix);
  }

  /** The entries of an earlier revision, by undoing the events since; undefined when those are not kept any more. */
  at(revision: number, prefix: string): Entry[] | undefined {
    if (revision < this.#floor) return undefined;
    const state = new Map<string, Entry>();
    for (const entry of this.range(prefix)) state.set(entry.key, entry);
    for (let index = this.#history.length - 1; index >= 0; index -= 1) {
      const event = this.#history[index] as StoreEvent;
      if (event.revision <= revision) break;
      if (!event.entry.key.startsWith(prefix)) continue;
      if (event.previous === undefined) state.delete(event.entry.key);
      else state.set(event.entry.key, event.previous);
    }
    return [...state.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Events after `revision`, or undefined when some of them are gone. */
  since(revision: number): StoreEvent[] | undefined {
    if (revision < this.#floor) return undefined;
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#history[middle] as StoreEvent).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#history.slice(low);
  }

  /** Forgets the events up to and with `revision`. */
  forget(revision: number): void {
    this.#history = this.#history.filter((event) => event.revision > revision);
    this.#floor = Math.max(this.#floor, revision);
  }

  #trim(keep: number): void {
    const dropped = this.#history.length - keep;
    this.#floor = (this.#history[dropped - 1] as StoreEvent).revision;
    this.#history = this.#history.slice(dropped);
  }

  /** Index of the first key that is not below `key`. */
  #position(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
