/** Indexes of a store: value to objects, kept with every change. */

import type { KubeObject } from "./object.ts";

/** Values of an object under an index; an empty list leaves it out. */
export type IndexFunction<T> = (object: T) => Iterable<string>;

export type Indexers<T> = Readonly<Record<string, IndexFunction<T>>>;

export class StoreIndex<T extends KubeObject> {
  readonly #values: IndexFunction<T>;
  readonly #byValue = new Map<string, Map<string, T>>();
  /** What each key stands under: an index function is asked once an object. */
  readonly #byKey = new Map<string, ReadonlySet<string>>();

  constructor(values: IndexFunction<T>) {
    this.#values = values;
  }

  get(value: string): readonly T[] {
    return [...(this.#byValue.get(value)?.values() ?? [])];
  }

  set(key: string, object: T): void {
    this.remove(key);
    const values = new Set(this.#values(object));
    if (values.size === 0) return;
    this.#byKey.set(key, values);
    for (const value of values) {
      let objects = this.#byValue.get(value);
      if (objects === undefined) {
        objects = new Map();
        this.#byValue.set(value, objects);
      }
      objects.set(key, object);
    }
  }

  remove(key: string): void {
    for (const value of this.#byKey.get(key) ?? []) {
      const objects = this.#byValue.get(value);
      objects?.delete(key);
      if (objects?.size === 0) this.#byValue.delete(value);
    }
    this.#byKey.delete(key);
  }
}
