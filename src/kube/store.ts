/**
 * Store: what a reflector has seen, by key and by index, frozen.
 *
 * Identity is the UID: an object that was deleted and made anew under its name is another one. Versions are compared
 * as numbers, so that neither a late event nor an old listing takes back what this process wrote itself.
 */

import { compareVersions, type KubeObject, keyOf, refOf } from "./object.ts";
import { type Indexers, StoreIndex } from "./store-index.ts";

export type StoreChange<T> =
  | { readonly type: "added"; readonly object: T }
  | { readonly type: "updated"; readonly object: T; readonly old: T }
  /** Gone, or replaced by another object of that name: then `added` follows. */
  | { readonly type: "deleted"; readonly object: T };

/** What reconcilers see. Objects are deeply frozen: copy to change. Keys are those of `keyOf`. */
export interface ReadStore<T extends KubeObject> {
  get(key: string): T | undefined;
  list(): readonly T[];
  /** Objects for which the index function gave this value. An index that is not there throws. */
  byIndex(index: string, value: string): readonly T[];
  readonly size: number;
  /** True once everything has been listed. */
  readonly synced: boolean;
  /** Rejects with the signal's reason when it aborts first. */
  waitForSync(signal?: AbortSignal): Promise<void>;
  /**
   * Read your own writes: call it with each answer to a create, update or patch. The store shows the object at once,
   * and takes no older version of it from a late event.
   */
  observeWrite(object: T): void;
  /** The same for a delete that was answered with "gone". A late event does not bring that UID back. */
  observeDelete(object: T): void;
  /** Resolves when the store has seen at least this version of the object. */
  waitFor(key: string, resourceVersion: string, signal?: AbortSignal): Promise<void>;
  /** Called after the store shows the change. Returns the function that takes the listener off. */
  onChange(listener: (change: StoreChange<T>) => void): () => void;
}

/** The side of a store that a reflector writes. A scope is a namespace, or `""` for all of them. */
export interface WriteStore<T extends KubeObject> {
  /** All objects of the scope at this version. */
  replace(scope: string, objects: readonly T[], resourceVersion: string): void;
  upsert(scope: string, object: T): void;
  remove(scope: string, object: T): void;
  /** Everything up to this version has been seen (bookmark). */
  progress(scope: string, resourceVersion: string): void;
}

export interface StoreOptions<T extends KubeObject> {
  /** Namespaces; absent: one scope for all. */
  readonly scopes?: readonly string[] | undefined;
  readonly indexes?: Indexers<T> | undefined;
  /** A listener that throws must not stop the others, nor the reflector. */
  readonly onListenerError?: ((error: unknown) => void) | undefined;
}

export class ObjectStore<T extends KubeObject> implements ReadStore<T>, WriteStore<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, StoreIndex<T>>();
  /** Scope to the version up to which everything was seen; a scope that was never listed has none. */
  readonly #seen = new Map<string, string>();
  readonly #scopes: readonly string[];
  /** UIDs that we deleted ourselves and whose last event has not come yet, with their scope. */
  readonly #deleted = new Map<string, string>();
  readonly #listeners = new Set<(change: StoreChange<T>) => void>();
  readonly #waiters = new Set<() => void>();
  readonly #onListenerError: (error: unknown) => void;

  constructor(options: StoreOptions<T> = {}) {
    this.#scopes = options.scopes ?? [""];
    for (const [name, values] of Object.entries(options.indexes ?? {})) {
      this.#indexes.set(name, new StoreIndex(values));
    }
    this.#onListenerError = options.onListenerError ?? (() => {});
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index);
    if (found === undefined) throw new TypeError(`The store has no index ${index}.`);
    return found.get(value);
  }

  get size(): number {
    return this.#objects.size;
  }

  get synced(): boolean {
    return this.#scopes.every((scope) => this.#seen.has(scope));
  }

  waitForSync(signal?: AbortSignal): Promise<void> {
    return this.#until(() => this.synced, signal);
  }

  waitFor(key: string, resourceVersion: string, signal?: AbortSignal): Promise<void> {
    const reached = (version: string | undefined) =>
      version !== undefined && (compareVersions(version, resourceVersion) ?? 0) >= 0;
    const scope = this.#scopeOf(refOf(key).namespace);
    const shown = () =>
      reached(this.#objects.get(key)?.metadata.resourceVersion) || reached(this.#seen.get(scope));
    return this.#until(shown, signal);
  }

  observeWrite(object: T): void {
    const { uid, namespace, resourceVersion } = object.metadata;
    if (this.#deleted.has(uid)) return;
    const known = this.#objects.get(keyOf(object));
    if (known?.metadata.uid !== uid) {
      // The watch is past this write already: the object is gone, or another took its name.
      const seen = this.#seen.get(this.#scopeOf(namespace));
      if (seen !== undefined && isNotNewer(resourceVersion, seen)) return;
    }
    this.#show(object);
    this.#wake();
  }

  observeDelete(object: T): void {
    this.#deleted.set(object.metadata.uid, this.#scopeOf(object.metadata.namespace));
    const known = this.#objects.get(keyOf(object));
    if (known?.metadata.uid === object.metadata.uid) this.#hide(known);
    this.#wake();
  }

  onChange(listener: (change: StoreChange<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  replace(scope: string, objects: readonly T[], resourceVersion: string): void {
    const keys = new Set<string>();
    const uids = new Set<string>();
    for (const object of objects) {
      keys.add(keyOf(object));
      uids.add(object.metadata.uid);
      if (!this.#deleted.has(object.metadata.uid)) this.#show(object);
    }
    for (const [key, object] of [...this.#objects]) {
      const { metadata } = object;
      if (keys.has(key) || this.#scopeOf(metadata.namespace) !== scope) continue;
      // What we wrote after the listing was made is not in it, and not gone.
      if (isNotNewer(metadata.resourceVersion, resourceVersion)) this.#hide(object);
    }
    for (const [uid, at] of this.#deleted) if (at === scope && !uids.has(uid)) this.#deleted.delete(uid);
    this.#seen.set(scope, resourceVersion);
    this.#wake();
  }

  upsert(scope: string, object: T): void {
    if (!this.#deleted.has(object.metadata.uid)) this.#show(object);
    this.progress(scope, object.metadata.resourceVersion);
  }

  remove(scope: string, object: T): void {
    this.#deleted.delete(object.metadata.uid);
    const known = this.#objects.get(keyOf(object));
    if (known?.metadata.uid === object.metadata.uid) this.#hide(known);
    this.progress(scope, object.metadata.resourceVersion);
  }

  progress(scope: string, resourceVersion: string): void {
    const seen = this.#seen.get(scope);
    if (seen === undefined || !isNotNewer(resourceVersion, seen)) this.#seen.set(scope, resourceVersion);
    this.#wake();
  }

  /** Shows the object unless what is shown is as new. */
  #show(object: T): void {
    const key = keyOf(object);
    const known = this.#objects.get(key);
    if (known !== undefined && isNotNewer(object.metadata.resourceVersion, known.metadata.resourceVersion))
      return;
    if (known !== undefined && known.metadata.uid !== object.metadata.uid) this.#hide(known);
    const frozen = deepFreeze(object);
    this.#objects.set(key, frozen);
    for (const index of this.#indexes.values()) index.set(key, frozen);
    if (known === undefined || known.metadata.uid !== object.metadata.uid) {
      this.#tell({ type: "added", object: frozen });
    } else {
      this.#tell({ type: "updated", object: frozen, old: known });
    }
  }

  #hide(object: T): void {
    const key = keyOf(object);
    this.#objects.delete(key);
    for (const index of this.#indexes.values()) index.remove(key);
    this.#tell({ type: "deleted", object });
  }

  #tell(change: StoreChange<T>): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }

  #scopeOf(namespace: string | undefined): string {
    return this.#scopes.includes("") ? "" : (namespace ?? "");
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #until(met: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        this.#waiters.delete(check);
        signal?.removeEventListener("abort", abort);
        finish();
      };
      const check = () => {
        if (met()) settle(resolve);
      };
      const abort = () => settle(() => reject(signal?.reason));
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      this.#waiters.add(check);
      signal?.addEventListener("abort", abort, { once: true });
      check();
    });
  }
}

/** Versions that cannot be compared count as newer: then the last that came is shown. */
function isNotNewer(version: string, than: string): boolean {
  const order = compareVersions(version, than);
  return order !== undefined && order <= 0;
}

function deepFreeze<V>(value: V): V {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
