/** Which record descends from which: by dots and clocks, as version vectors with dots decide it. */

import type { Dot, SecretRecord } from "./record.ts";

export interface Causal {
  readonly dot: Dot;
  readonly clock: ReadonlyMap<string, number>;
}

function reaches(record: Causal, dot: Dot): boolean {
  return (record.clock.get(dot[0]) ?? 0) >= dot[1];
}

/**
 * True when `a` was written by someone who knew `b`. Two records that claim each other (the same dot given twice)
 * descend neither from the other: that is a conflict, and both must be kept.
 */
export function descends(a: Causal, b: Causal): boolean {
  return a !== b && reaches(a, b.dot) && !reaches(b, a.dot);
}

/** The count of each device that anything in `records` descends from. */
export function mergeClocks(records: readonly Pick<SecretRecord, "clock">[]): Map<string, number> {
  const merged = new Map<string, number>();
  for (const { clock } of records) {
    for (const [device, count] of clock) merged.set(device, Math.max(merged.get(device) ?? 0, count));
  }
  return merged;
}

/** Those from which no other descends. Never empty for a list that is not. */
export function headsOf<T extends Causal>(records: readonly T[]): T[] {
  const heads = records.filter((record) => !records.some((other) => descends(other, record)));
  // A cycle can only be forged; then every record counts as a head, so that none is destroyed.
  return heads.length > 0 ? heads : [...records];
}
