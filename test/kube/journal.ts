/** A list of what happened that a test can wait on. */
export class Journal<T> {
  readonly entries: T[] = [];
  readonly #waiters = new Set<() => void>();

  add = (entry: T): void => {
    this.entries.push(entry);
    for (const waiter of [...this.#waiters]) waiter();
  };

  /** The nth entry that fits (from 1), as soon as it is there. The runner's own time limit ends a wait in vain. */
  async until<U extends T>(fits: (entry: T) => entry is U, nth?: number): Promise<U>;
  async until(fits: (entry: T) => boolean, nth?: number): Promise<T>;
  async until(fits: (entry: T) => boolean, nth = 1): Promise<T> {
    for (;;) {
      const found = this.entries.filter(fits)[nth - 1];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const waiter = () => {
          this.#waiters.delete(waiter);
          resolve();
        };
        this.#waiters.add(waiter);
      });
    }
  }
}
