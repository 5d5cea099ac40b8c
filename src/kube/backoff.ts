/** Delays that double with each failure in a row, with jitter, so that many waiters do not come back together. */

import type { Random } from "./clock.ts";

export interface BackoffOptions {
  /** Milliseconds after the first failure. */
  readonly base: number;
  readonly max: number;
}

/** Between half the full delay and all of it; `failures` counts from 1. */
export function backoffDelay(failures: number, options: BackoffOptions, random: Random): number {
  // Beyond 2^30 the product only loses precision; `max` has long been reached.
  const full = Math.min(options.max, options.base * 2 ** Math.min(Math.max(failures - 1, 0), 30));
  return full / 2 + (full / 2) * random();
}
