import type { Clock } from "../../src/kube/clock.ts";

/** A clock that stands until a test moves it. */
export class ManualClock implements Clock {
  #now: number;
  readonly #timers = new Set<{ readonly due: number; readonly callback: () => void }>();

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { due: this.#now + Math.max(milliseconds, 0), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer, `undefined` without one. */
  get nextDelay(): number | undefined {
    const due = [...this.#timers].map((timer) => timer.due);
    return due.length === 0 ? undefined : Math.min(...due) - this.#now;
  }

  /** Moves on, and fires what falls due on the way in its order, timers that callbacks set too. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.due - b.due)[0];
      if (next === undefined || next.due > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.due);
      next.callback();
    }
    this.#now = end;
  }
}
