/** The status of a pool from what was observed. Pure: equal facts give equal answers, in whatever order they come. */

import type { HsmPoolStatus } from "../../crd/hsmpool.ts";
import { type Condition, setCondition, timeOf } from "../../kube/conditions.ts";
import { equal } from "../../kube/status.ts";
import type { PoolFacts, Refusal } from "./facts.ts";
import { type Gathered, gather } from "./gather.ts";
import { type PhaseFacts, phaseOf, serves } from "./phase.ts";
import { type Heard, listen, type Voice } from "./voices.ts";

export interface Aggregation {
  /** The very `prior` when nothing but times would change. */
  readonly status: HsmPoolStatus;
  /** When the same facts give another answer, milliseconds since 1970; absent: never. */
  readonly deadline: number | undefined;
  readonly refusals: readonly Refusal[];
  /** Serial numbers that several nodes report at once. */
  readonly onTwoNodes: readonly string[];
  /** For the next look. */
  readonly silentSince: ReadonlyMap<string, number>;
}

/** As the CRD allows. */
const MOST_PODS = 1024;
const LONGEST_ERROR = 1024;

export function aggregate(facts: PoolFacts): Aggregation {
  const heard = listen(facts);
  const gathered = gather(facts, heard);
  const counted = count(heard, gathered);
  const next = statusOf(facts, heard, gathered, counted);
  return {
    status: equal(withoutTimes(facts.prior), withoutTimes(next)) ? facts.prior : next,
    deadline: earliest(facts, heard, gathered),
    refusals: heard.refusals,
    onTwoNodes: gathered.onTwoNodes,
    silentSince: gathered.silentSince,
  };
}

/** The status when the HSMDevice cannot be read: devices stay as they are, nothing is looked for. */
export function refused(
  prior: HsmPoolStatus,
  message: string,
  generation: number,
  now: number,
): HsmPoolStatus {
  const conditions = setCondition(
    (prior.conditions ?? []) as readonly Condition[],
    { type: "Ready", status: "False", reason: "InvalidSpec", message, observedGeneration: generation },
    now,
  );
  const next: HsmPoolStatus = { ...prior, phase: "Error", conditions: [...conditions] };
  return equal(prior, next) ? prior : { ...next, lastAggregationTime: timeOf(now) };
}

function count(heard: Heard, gathered: Gathered): PhaseFacts {
  const voices = [...heard.voices.values()];
  const expected = voices.filter(({ live, fresh }) => live || fresh);
  const reporting = expected.filter(({ fresh }) => fresh);
  const status = ({ report }: Voice) => report?.discoveryStatus;
  const { devices, remembered, onTwoNodes } = gathered;
  return {
    expected: expected.length,
    reporting: reporting.length,
    failed: reporting.filter((voice) => status(voice) === "Failed").length,
    overdue: expected.filter((v) => !v.fresh && (v.report !== undefined || v.refusal !== undefined)).length,
    devices: devices.length,
    available: devices.filter(({ available }) => available).length,
    doubts:
      remembered.length + onTwoNodes.length + reporting.filter((voice) => status(voice) === "Limited").length,
  };
}

function statusOf(facts: PoolFacts, heard: Heard, gathered: Gathered, counted: PhaseFacts): HsmPoolStatus {
  const { prior, now, generation } = facts;
  const row = phaseOf(counted);
  let conditions = (prior.conditions ?? []) as readonly Condition[];
  const set = (type: string, good: boolean, reason: string, message: string): void => {
    const status = good ? "True" : "False";
    conditions = setCondition(
      conditions,
      { type, status, reason, message, observedGeneration: generation },
      now,
    );
  };
  set("Ready", serves(row.phase), row.reason, explain(row.reason, counted, gathered));
  const usable = `${counted.available} of ${counted.devices} devices can be used.`;
  set(
    "DevicesAvailable",
    counted.available > 0,
    counted.available > 0 ? "Available" : counted.devices > 0 ? "NoDeviceAvailable" : "NoDevices",
    usable,
  );
  return {
    ...prior,
    phase: row.phase,
    totalDevices: counted.devices,
    availableDevices: counted.available,
    expectedPods: counted.expected,
    reportingCount: counted.reporting,
    reportingPods: podsOf(heard),
    aggregatedDevices: [...gathered.devices],
    nodes: [...new Set(gathered.devices.map(({ nodeName }) => nodeName))].sort(),
    lastAggregationTime: timeOf(now),
    conditions: [...conditions],
  };
}

function podsOf(heard: Heard): NonNullable<HsmPoolStatus["reportingPods"]> {
  return [...heard.voices.values()]
    .sort((a, b) => (a.podName < b.podName ? -1 : 1))
    .slice(0, MOST_PODS)
    .map(({ podName, nodeName, report, fresh, refusal }) => {
      const error = (refusal?.message ?? report?.error)?.slice(0, LONGEST_ERROR);
      return {
        podName,
        nodeName,
        devicesFound: report?.discoveredDevices.length ?? 0,
        ...(report === undefined
          ? {}
          : {
              lastReportTime: timeOf(Date.parse(report.lastReportTime)),
              discoveryStatus: report.discoveryStatus,
            }),
        fresh,
        ...(error === undefined ? {} : { error }),
      };
    });
}

function explain(reason: string, counted: PhaseFacts, gathered: Gathered): string {
  const { expected, reporting, failed, devices, available } = counted;
  const heardOf = `${reporting} of ${expected} discovery pods report`;
  switch (reason) {
    case "NoDiscovery":
      return "No discovery pod runs on a node that nodeSelector fits.";
    case "NoDevices":
      return `All ${expected} discovery pods have looked and found no device.`;
    case "DiscoveryFailed":
      return `The search failed on ${failed} of ${expected} nodes: see reportingPods.`;
    case "AllReported":
      return `${heardOf}; ${available} devices can be used.`;
    case "NoDeviceAvailable":
      return `None of ${devices} known devices can be used now.`;
    case "Incomplete":
      return `${available} of ${devices} devices can be used; ${[heardOf, ...causes(counted, gathered)].join("; ")}.`;
    default:
      return `${heardOf}.`;
  }
}

function causes(counted: PhaseFacts, gathered: Gathered): readonly string[] {
  const { remembered, onTwoNodes, nameless } = gathered;
  const told: string[] = [];
  if (counted.failed > 0) told.push(`the search failed on ${counted.failed} nodes`);
  if (remembered.length > 0) told.push(`${remembered.length} devices are on silent nodes`);
  if (onTwoNodes.length > 0) {
    told.push(`reported by several nodes at once: ${some(onTwoNodes)}`);
  }
  if (nameless.length > 0) told.push(`${nameless.length} devices have no serial number and are not alone`);
  return told;
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

/** Times alone are no reason to write. */
function withoutTimes(status: HsmPoolStatus): unknown {
  return {
    ...status,
    lastAggregationTime: undefined,
    reportingPods: status.reportingPods?.map((pod) => ({ ...pod, lastReportTime: undefined })),
    aggregatedDevices: status.aggregatedDevices?.map((device) => ({ ...device, lastSeen: undefined })),
  };
}

function earliest(facts: PoolFacts, heard: Heard, gathered: Gathered): number | undefined {
  const fresh = [...heard.voices.values()].filter((voice) => voice.fresh);
  const times = [
    ...fresh.map(({ freshUntil }) => freshUntil),
    ...gathered.deadlines,
    ...heard.laterReports,
  ].filter((time) => time > facts.now);
  return times.length === 0 ? undefined : Math.min(...times);
}
