/** Controller: sources give keys, workers reconcile them. */

import type { AddOptions } from "./queue.ts";

export interface ReconcileResult {
  /** Milliseconds until the key is looked at again although nothing happened. */
  readonly requeueAfter?: number | undefined;
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

/** What happened, for metrics; each may be left out. */
export interface ControllerHooks {
  onQueued?(key: string, depth: number): void;
  onReconciled?(outcome: {
    readonly key: string;
    readonly result: "ok" | "requeued" | "failed";
    /** Milliseconds. */
    readonly duration: number;
    /** Failures in a row before this one. */
    readonly failures: number;
    readonly error?: unknown;
  }): void;
}

export interface Controller {
  /** Enqueues from outside a source. */
  enqueue: Enqueue;
  /** Runs until the signal aborts and all workers are through. */
  run(signal: AbortSignal): Promise<void>;
  readonly depth: number;
}
