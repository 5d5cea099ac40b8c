/** Work that waits for its turn after the event that caused it: by key, once, in order, retried later when not done. */

export interface LoopOptions {
  /** Does the work of a key; answers false to be called again after a while. */
  readonly work: (key: string) => boolean;
  readonly retryMs: number;
  /** Wait before the first try, so that who caused the event sees its effect first; 0: before the next event is served. */
  readonly delayMs: number;
  readonly onError: (error: unknown) => void;
}

export class Loop {
  readonly #options: LoopOptions;
  readonly #waiting = new Map<string, NodeJS.Timeout | undefined>();
  #closed = false;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  add(key: string, delayMs = this.#options.delayMs): void {
    if (this.#closed || this.#waiting.has(key)) return;
    if (delayMs === 0) {
      this.#waiting.set(key, undefined);
      queueMicrotask(() => {
        if (this.#waiting.has(key)) this.#run(key);
      });
      return;
    }
    this.#waiting.set(
      key,
      setTimeout(() => this.#run(key), delayMs),
    );
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
  }

  #run(key: string): void {
    this.#waiting.delete(key);
    let done = true;
    try {
      done = this.#options.work(key);
    } catch (error) {
      this.#options.onError(error);
      done = false;
    }
    if (!done) this.add(key, this.#options.retryMs);
  }
}
