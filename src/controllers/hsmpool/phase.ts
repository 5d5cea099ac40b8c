/** The phase of a pool, by a table: the first row that fits. docs/pools.md shows the same table, and a test compares. */

import type { HsmPoolStatus } from "../../crd/hsmpool.ts";

export type Phase = NonNullable<HsmPoolStatus["phase"]>;

export interface PhaseFacts {
  /** Discovery pods on nodes that nodeSelector fits. */
  readonly expected: number;
  /** Of these, with a report that counts. */
  readonly reporting: number;
  /** Of these, whose search failed. */
  readonly failed: number;
  /** Expected pods whose report is too old, or refused. */
  readonly overdue: number;
  /** Devices in the list. */
  readonly devices: number;
  /** Of these, that can be used. */
  readonly available: number;
  /** Devices that nobody tells now, that two nodes tell, or that did not fit into a report. */
  readonly doubts: number;
}

export interface PhaseRow {
  readonly phase: Phase;
  /** Of the condition Ready. */
  readonly reason: string;
  readonly fits: (facts: PhaseFacts) => boolean;
}

export const PHASES: readonly PhaseRow[] = [
  { phase: "Pending", reason: "NoDiscovery", fits: (f) => f.devices === 0 && f.expected === 0 },
  {
    phase: "Error",
    reason: "ReportsMissing",
    fits: (f) => f.devices === 0 && f.reporting === 0 && f.overdue > 0,
  },
  { phase: "Pending", reason: "WaitingForReports", fits: (f) => f.devices === 0 && f.reporting === 0 },
  {
    phase: "Aggregating",
    reason: "WaitingForReports",
    fits: (f) => f.devices === 0 && f.reporting < f.expected,
  },
  { phase: "Error", reason: "DiscoveryFailed", fits: (f) => f.devices === 0 && f.failed > 0 },
  { phase: "Pending", reason: "NoDevices", fits: (f) => f.devices === 0 },
  { phase: "Error", reason: "NoDeviceAvailable", fits: (f) => f.available === 0 },
  {
    phase: "Ready",
    reason: "AllReported",
    fits: (f) =>
      f.expected > 0 &&
      f.reporting === f.expected &&
      f.failed === 0 &&
      f.available === f.devices &&
      f.doubts === 0,
  },
  { phase: "Partial", reason: "Incomplete", fits: () => true },
];

export function phaseOf(facts: PhaseFacts): PhaseRow {
  const row = PHASES.find(({ fits }) => fits(facts));
  if (row === undefined) throw new TypeError("The last row of the table fits everything.");
  return row;
}

/** A pool in these phases serves. */
export function serves(phase: Phase): boolean {
  return phase === "Ready" || phase === "Partial";
}
