/** Binary heap: the first by `before` in O(log n). */

export class Heap<T> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let index = items.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = items[above] as T;
      if (!this.#before(item, parent)) break;
      items[index] = parent;
      index = above;
    }
    items[index] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#before(items[child + 1] as T, items[child] as T)) child += 1;
      const candidate = items[child] as T;
      if (!this.#before(candidate, last)) break;
      items[index] = candidate;
      index = child;
    }
    items[index] = last;
    return first;
  }

  /** Keeps only what the test accepts. */
  keep(test: (item: T) => boolean): void {
    const kept = this.#items.filter(test);
    this.#items.length = 0;
    for (const item of kept) this.push(item);
  }
}
