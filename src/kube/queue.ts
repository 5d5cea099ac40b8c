/** Work queue: keys that wait for a worker, each at most once, never with two workers at a time. */

export interface AddOptions {
  /** Higher first; `PRIORITY` names the usual ones. A key that waits keeps the highest that it was given. */
  readonly priority?: number | undefined;
  /** Milliseconds to wait before it is due. A key keeps the earliest time that it was given. */
  readonly after?: number | undefined;
}

export const PRIORITY = {
  /** A person or a token changed something. */
  change: 10,
  /** Retries. */
  normal: 0,
  /** First listing, periodic looks. */
  background: -10,
} as const;

export interface QueueItem {
  readonly key: string;
  readonly priority: number;
  /** Failures in a row before this try. */
  readonly failures: number;
}

export interface WorkQueue {
  add(key: string, options?: AddOptions): void;
  /** After a failure: due after a delay that doubles with each failure in a row, with jitter. */
  retry(key: string, options?: { readonly atLeast?: number | undefined }): void;
  /** After a success: the next failure counts as the first. */
  forget(key: string): void;
  /** The next key that is due; `undefined` when the queue is closed and empty, or the signal aborts. */
  take(signal?: AbortSignal): Promise<QueueItem | undefined>;
  /** The worker is through with it. Added meanwhile, it is handed out again. */
  done(key: string): void;
  /** Keys that are due and wait. */
  readonly depth: number;
  /** Keys that are not due yet. */
  readonly delayed: number;
  /** Takes no more keys, drops those not begun, and resolves when every worker is through. */
  drain(): Promise<void>;
}
