/** Store: what a reflector has seen, by key and by index, frozen. */

import type { KubeObject } from "./object.ts";

export type StoreChange<T> =
  | { readonly type: "added"; readonly object: T }
  | { readonly type: "updated"; readonly object: T; readonly old: T }
  /** Deleted, or deleted and made anew under the same name: then `added` follows. */
  | { readonly type: "deleted"; readonly object: T };

/** Values of an object under an index; an empty list leaves it out. */
export type IndexFunction<T> = (object: T) => Iterable<string>;

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
   * Read your own writes: call it with each answer to a create, update or patch. The store shows the object at
   * once, and takes no older version of it from a late event.
   */
  observeWrite(object: T): void;
  /** The same for a delete that was answered with "gone". A late event does not bring that UID back. */
  observeDelete(object: T): void;
  /** Resolves when the store shows this version of the object or a newer one (or another UID, or none after it). */
  waitFor(key: string, resourceVersion: string, signal?: AbortSignal): Promise<void>;
  /** Called after the store shows the change. Returns the function that takes the listener off. */
  onChange(listener: (change: StoreChange<T>) => void): () => void;
}
