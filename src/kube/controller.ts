/** Controller: sources give keys, workers reconcile them. */

import { newCorrelationId, withCorrelationId } from "../telemetry/correlation.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { type Clock, type Random, systemClock } from "./clock.ts";
import { isConflict, KubeError } from "./error.ts";
import {
  type AddOptions,
  createWorkQueue,
  PRIORITY,
  type QueueItem,
  type WorkQueue,
  type WorkQueueOptions,
} from "./queue.ts";

export interface ReconcileResult {
  /** Milliseconds until the key is looked at again although nothing happened. */
  readonly requeueAfter?: number | undefined;
  /** Of that look; `PRIORITY.background` unless told. */
  readonly priority?: number | undefined;
}

/**
 * Brings one object to what it should be. A rejection is logged, counted and retried with back-off, and touches no
 * other key. The signal aborts when the controller stops: finish the write that is under way, begin no other.
 */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<ReconcileResult | undefined>;

export type Enqueue = (key: string, options?: AddOptions) => void;

/** Where keys come from. `start` returns the function that stops it. */
export interface Source {
  start(enqueue: Enqueue): () => void;
}

export interface ReconcileOutcome {
  readonly key: string;
  readonly result: "ok" | "requeued" | "failed";
  /** Milliseconds that the reconcile took. */
  readonly duration: number;
  /** Milliseconds that the key was due and waited for a worker. */
  readonly waited: number;
  /** Failures in a row before this one. */
  readonly failures: number;
  readonly error?: unknown;
}

export interface ControllerOptions {
  readonly name: string;
  readonly workers: number;
  readonly sources: readonly Source[];
  readonly reconcile: Reconcile;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
  readonly backoff?: WorkQueueOptions["backoff"];
  /** For metrics. */
  readonly onReconciled?: ((outcome: ReconcileOutcome) => void) | undefined;
}

export interface Controller {
  readonly name: string;
  /** Enqueues from outside of a source. */
  readonly enqueue: Enqueue;
  /** Runs until the signal aborts and all workers are through. Once. */
  run(signal: AbortSignal): Promise<void>;
  /** Keys that are due and wait, are not due yet, and are being reconciled. */
  readonly queue: Pick<WorkQueue, "depth" | "delayed" | "working">;
}

export function createController(options: ControllerOptions): Controller {
  const clock = options.clock ?? systemClock;
  const logger = (options.logger ?? silentLogger).child({ controller: options.name });
  const queue = createWorkQueue({ clock, random: options.random ?? Math.random, backoff: options.backoff });

  async function work(signal: AbortSignal): Promise<void> {
    for (let item = await queue.take(); item !== undefined; item = await queue.take()) {
      const current = item;
      await withCorrelationId(newCorrelationId(), () => reconcileOne(current, signal));
    }
  }

  async function reconcileOne(item: QueueItem, signal: AbortSignal): Promise<void> {
    const { key, failures, waited } = item;
    const started = clock.monotonic();
    const report = (result: ReconcileOutcome["result"], error?: unknown) => {
      const duration = clock.monotonic() - started;
      try {
        options.onReconciled?.({ key, result, duration, waited, failures, error });
      } catch (hookError) {
        logger.error("a metrics hook failed", { key }, hookError);
      }
      logger.debug("reconciled", { key, result, durationMs: Math.round(duration) });
    };
    try {
      const result = await options.reconcile(key, signal);
      queue.forget(key);
      if (result?.requeueAfter !== undefined) {
        queue.add(key, { after: result.requeueAfter, priority: result.priority ?? PRIORITY.background });
      }
      report(result?.requeueAfter === undefined ? "ok" : "requeued");
    } catch (error) {
      queue.retry(key, { atLeast: error instanceof KubeError ? error.retryAfter : undefined });
      // Somebody else was faster, or we are stopping: both are the normal course of things.
      if (signal.aborted || isConflict(error)) logger.debug("reconcile gave way", { key, failures });
      else logger.warn("reconcile failed", { key, failures }, error);
      report("failed", error);
    } finally {
      queue.done(key);
    }
  }

  return {
    name: options.name,
    enqueue: (key, add) => queue.add(key, add),
    queue,
    async run(signal) {
      const stops = options.sources.map((source) => source.start((key, add) => queue.add(key, add)));
      const workers = Array.from({ length: options.workers }, () => work(signal));
      await new Promise<void>((done) => {
        if (signal.aborted) done();
        else signal.addEventListener("abort", () => done(), { once: true });
      });
      for (const stop of stops) stop();
      await queue.drain();
      await Promise.all(workers);
    },
  };
}
