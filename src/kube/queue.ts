/** Work queue: keys that wait for a worker, each at most once, never with two workers at a time. */

import { type BackoffOptions, backoffDelay } from "./backoff.ts";
import type { Clock, Random } from "./clock.ts";
import { Heap } from "./heap.ts";

export interface AddOptions {
  /** Higher first; `PRIORITY` names the usual ones. A key that waits keeps the highest that it was given. */
  readonly priority?: number | undefined;
  /** Milliseconds to wait before it is due. A key keeps the earliest time that it was given. */
  readonly after?: number | undefined;
}

export const PRIORITY = {
  /** A person or a token changed something. */
  change: 10,
  /** Retries, and whatever says nothing else. */
  normal: 0,
  /** First listing, periodic looks. */
  background: -10,
} as const;

export interface QueueItem {
  readonly key: string;
  readonly priority: number;
  /** Failures in a row before this try. */
  readonly failures: number;
  /** Milliseconds that it was due and waited for a worker. */
  readonly waited: number;
}

export interface WorkQueue {
  add(key: string, options?: AddOptions): void;
  /** After a failure: due after a delay that doubles with each failure in a row, with jitter. */
  retry(key: string, options?: { readonly atLeast?: number | undefined; readonly priority?: number }): void;
  /** After a success: the next failure counts as the first. */
  forget(key: string): void;
  /** The next key that is due; `undefined` when the queue is closed, or the signal aborts. */
  take(signal?: AbortSignal): Promise<QueueItem | undefined>;
  /** The worker is through with it. Added meanwhile, it is handed out again. */
  done(key: string): void;
  /** Keys that are due and wait for a worker. */
  readonly depth: number;
  /** Keys that are not due yet. */
  readonly delayed: number;
  /** Keys that workers hold. */
  readonly working: number;
  /** Takes no more keys, drops those not begun, and resolves when every worker is through. */
  drain(): Promise<void>;
}

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Delays after failures; 100 ms up to 5 minutes unless told. */
  readonly backoff?: BackoffOptions | undefined;
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new HeapQueue(options);
}

/** A key that waits. Replaced ones stay in their heap with `live` false until they come up. */
interface Waiting {
  readonly key: string;
  readonly priority: number;
  /** Monotonic milliseconds. */
  readonly due: number;
  /** Order among equals: the first that came is the first to go. */
  readonly order: number;
  readonly ready: boolean;
  live: boolean;
}

const DEFAULT_BACKOFF: BackoffOptions = { base: 100, max: 300_000 };
/** Heaps below this size are not worth clearing of replaced entries. */
const SMALL_HEAP = 64;

class HeapQueue implements WorkQueue {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #backoff: BackoffOptions;
  readonly #ready = new Heap<Waiting>(
    (a, b) => a.priority > b.priority || (a.priority === b.priority && a.order < b.order),
  );
  readonly #later = new Heap<Waiting>((a, b) => a.due < b.due || (a.due === b.due && a.order < b.order));
  readonly #waiting = new Map<string, Waiting>();
  /** Keys with a worker, and what was added meanwhile. */
  readonly #working = new Map<
    string,
    { again: { readonly priority: number; readonly due: number } | undefined }
  >();
  readonly #failures = new Map<string, number>();
  readonly #takers = new Set<(item: QueueItem | undefined) => void>();
  #readyCount = 0;
  #order = 0;
  #closed = false;
  #timer: { readonly due: number; readonly cancel: () => void } | undefined;
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF;
  }

  get depth(): number {
    return this.#readyCount;
  }

  get delayed(): number {
    return this.#waiting.size - this.#readyCount;
  }

  get working(): number {
    return this.#working.size;
  }

  add(key: string, options: AddOptions = {}): void {
    if (this.#closed) return;
    const priority = options.priority ?? PRIORITY.normal;
    const due = this.#clock.monotonic() + Math.max(options.after ?? 0, 0);
    const working = this.#working.get(key);
    if (working === undefined) {
      this.#put(key, priority, due);
      return;
    }
    const { again } = working;
    working.again =
      again === undefined
        ? { priority, due }
        : { priority: Math.max(priority, again.priority), due: Math.min(due, again.due) };
  }

  retry(
    key: string,
    options: { readonly atLeast?: number | undefined; readonly priority?: number } = {},
  ): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const after = Math.max(backoffDelay(failures, this.#backoff, this.#random), options.atLeast ?? 0);
    this.add(key, { after, priority: options.priority });
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  take(signal?: AbortSignal): Promise<QueueItem | undefined> {
    if (this.#closed || signal?.aborted === true) return Promise.resolve(undefined);
    this.#ripen(); // A timer may be late; what is due is due.
    const item = this.#next();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => {
      const settle = (value: QueueItem | undefined) => {
        this.#takers.delete(settle);
        signal?.removeEventListener("abort", cancel);
        resolve(value);
      };
      const cancel = () => settle(undefined);
      signal?.addEventListener("abort", cancel, { once: true });
      this.#takers.add(settle);
    });
  }

  done(key: string): void {
    const working = this.#working.get(key);
    if (working === undefined) return;
    this.#working.delete(key);
    if (this.#closed) {
      if (this.#working.size === 0) this.#drained?.resolve();
    } else if (working.again !== undefined) {
      this.#put(key, working.again.priority, working.again.due);
    }
  }

  drain(): Promise<void> {
    if (this.#drained === undefined) {
      this.#closed = true;
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#waiting.clear();
      this.#ready.keep(() => false);
      this.#later.keep(() => false);
      this.#readyCount = 0;
      for (const settle of [...this.#takers]) settle(undefined);
      let resolve = () => {};
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#drained = { promise, resolve };
      if (this.#working.size === 0) resolve();
    }
    return this.#drained.promise;
  }

  #put(key: string, priority: number, due: number): void {
    const known = this.#waiting.get(key);
    const merged =
      known === undefined
        ? { priority, due, order: this.#order++ }
        : {
            priority: Math.max(priority, known.priority),
            due: Math.min(due, known.due),
            order: known.order,
          };
    const ready = merged.due <= this.#clock.monotonic();
    if (known !== undefined) {
      if (known.priority === merged.priority && known.due === merged.due) return;
      this.#retire(known);
    }
    this.#enter({ key, ...merged, ready, live: true });
    this.#serve();
  }

  #enter(entry: Waiting): void {
    this.#waiting.set(entry.key, entry);
    const heap = entry.ready ? this.#ready : this.#later;
    if (entry.ready) this.#readyCount += 1;
    const count = entry.ready ? this.#readyCount : this.delayed;
    if (heap.size > SMALL_HEAP && heap.size > 2 * count) heap.keep((item) => item.live);
    heap.push(entry);
  }

  #retire(entry: Waiting): void {
    entry.live = false;
    this.#waiting.delete(entry.key);
    if (entry.ready) this.#readyCount -= 1;
  }

  /** Gives what is due to those who wait for it, and sets the timer for what is not. */
  #serve(): void {
    this.#ripen();
    for (const settle of [...this.#takers]) {
      const item = this.#next();
      if (item === undefined) break;
      settle(item);
    }
    this.#arm();
  }

  #ripen(): void {
    const now = this.#clock.monotonic();
    for (let entry = this.#later.peek(); entry !== undefined; entry = this.#later.peek()) {
      if (entry.live && entry.due > now) break;
      this.#later.pop();
      if (!entry.live) continue;
      this.#retire(entry);
      this.#enter({ ...entry, order: this.#order++, ready: true, live: true });
    }
  }

  #next(): QueueItem | undefined {
    for (let entry = this.#ready.pop(); entry !== undefined; entry = this.#ready.pop()) {
      if (!entry.live) continue;
      this.#retire(entry);
      this.#working.set(entry.key, { again: undefined });
      return {
        key: entry.key,
        priority: entry.priority,
        failures: this.#failures.get(entry.key) ?? 0,
        waited: Math.max(this.#clock.monotonic() - entry.due, 0),
      };
    }
    return undefined;
  }

  #arm(): void {
    const first = this.#later.peek();
    if (first === undefined || (this.#timer !== undefined && this.#timer.due <= first.due)) return;
    this.#timer?.cancel();
    const cancel = this.#clock.after(first.due - this.#clock.monotonic(), () => {
      this.#timer = undefined;
      this.#serve();
    });
    this.#timer = { due: first.due, cancel };
  }
}
