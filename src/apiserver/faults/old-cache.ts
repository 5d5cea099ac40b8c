/**
 * The cache of a second API server before the same storage: it follows the storage, and stays behind while it is told
 * to. Reads that a cache may answer then show what was, and watches keep silent about what is.
 */

import type { Store, StoreEvent } from "../storage/store.ts";

export class OldCache {
  /** What this server knows. */
  readonly store: Store;
  readonly #waiting: { readonly resource: string; readonly event: StoreEvent }[] = [];
  #behind = false;

  constructor(source: Store) {
    this.store = source.copy();
    source.observe((resource, event) => {
      if (this.#behind) this.#waiting.push({ resource, event });
      else this.store.follow(resource, event);
    });
  }

  get behind(): boolean {
    return this.#behind;
  }

  fallBehind(): void {
    this.#behind = true;
  }

  /** Takes over the first `count` of the events that were withheld; with all of them it follows again. */
  catchUp(count = Number.POSITIVE_INFINITY): void {
    for (const { resource, event } of this.#waiting.splice(0, count)) this.store.follow(resource, event);
    if (this.#waiting.length === 0) this.#behind = false;
  }
}
