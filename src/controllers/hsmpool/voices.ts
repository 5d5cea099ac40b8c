/** Whose report counts, and until when. Pure. */

import type { DeviceReport } from "../../crd/device-report.ts";
import { fitsSelector } from "../../kube/labels.ts";
import type { PodFacts, PoolFacts, Refusal } from "./facts.ts";

/** How far a node's clock may be ahead of ours, milliseconds. */
export const CLOCK_SKEW = 60_000;
/** A report counts until this many of its heartbeats were missed, even where the grace period is shorter. */
const MISSED_HEARTBEATS = 2.5;
/** What a report asks for by its heartbeat is bounded: whoever wrote it may not be trusted, milliseconds. */
const LONGEST_HEARTBEAT_WAIT = 15 * 60_000;

/** The discovery pod that speaks for a node. */
export interface Voice {
  readonly podName: string;
  readonly nodeName: string;
  readonly live: boolean;
  /** Its report for this HSMDevice, fresh or not; absent when it has none that counts. */
  readonly report: DeviceReport | undefined;
  readonly reportedAt: number;
  /** The time from which the report counts no more. */
  readonly freshUntil: number;
  readonly fresh: boolean;
  readonly refusal: Refusal | undefined;
}

export interface Heard {
  /** One a node that nodeSelector fits and that has a discovery pod, by node name. */
  readonly voices: ReadonlyMap<string, Voice>;
  /** Names of the nodes that are there and that nodeSelector fits. */
  readonly nodes: ReadonlySet<string>;
  readonly refusals: readonly Refusal[];
  /** When a report that is dated ahead begins to count. */
  readonly laterReports: readonly number[];
}

export function listen(facts: PoolFacts): Heard {
  const nodes = new Set(
    facts.nodes.filter(({ labels }) => fitsSelector(facts.nodeSelector, labels)).map(({ name }) => name),
  );
  const refusals: Refusal[] = [];
  const laterReports: number[] = [];
  const byNode = new Map<string, { readonly pod: PodFacts; readonly voice: Voice }>();
  for (const pod of facts.pods) {
    const ours = facts.daemonSetUid !== undefined && pod.controllerUid === facts.daemonSetUid;
    if (!ours) {
      const refusal = foreign(pod, facts);
      if (refusal !== undefined) refusals.push(refusal);
      continue;
    }
    const { nodeName } = pod;
    if (nodeName === undefined || !nodes.has(nodeName)) continue;
    const voice = voiceOf(pod, nodeName, facts);
    if (voice.refusal !== undefined) {
      refusals.push(voice.refusal);
      if (voice.refusal.reason === "ReportFromFuture") laterReports.push(voice.reportedAt - CLOCK_SKEW);
    }
    const known = byNode.get(nodeName);
    if (known === undefined || speaksBefore({ pod, voice }, known)) byNode.set(nodeName, { pod, voice });
  }
  const voices = new Map([...byNode].map(([name, { voice }]) => [name, voice]));
  return { voices, nodes, refusals: inOrder(refusals), laterReports };
}

/** A report on a pod that our DaemonSet does not control. Without a DaemonSet nobody can say whose a pod is. */
function foreign(pod: PodFacts, facts: PoolFacts): Refusal | undefined {
  if (pod.reports === undefined || facts.daemonSetUid === undefined) return undefined;
  const { reports } = pod;
  if (reports.ok && !reports.reports.some(({ hsmDeviceName }) => hsmDeviceName === facts.hsmDevice)) {
    return undefined;
  }
  return refuse(
    pod,
    "ForeignReport",
    "The pod carries a device report but is not controlled by the discovery DaemonSet.",
  );
}

function voiceOf(pod: PodFacts, nodeName: string, facts: PoolFacts): Voice {
  const silent = {
    podName: pod.name,
    nodeName,
    live: pod.live,
    report: undefined,
    reportedAt: 0,
    freshUntil: 0,
    fresh: false,
    refusal: undefined,
  };
  if (pod.reports === undefined) return silent;
  if (!pod.reports.ok) {
    return { ...silent, refusal: refuse(pod, pod.reports.reason, pod.reports.message) };
  }
  const report = pod.reports.reports.find(({ hsmDeviceName }) => hsmDeviceName === facts.hsmDevice);
  if (report === undefined) return silent;
  if (report.reportingNode !== nodeName) {
    const message = `The device report is for another node than ${nodeName}, where the pod runs.`;
    return { ...silent, refusal: refuse(pod, "WrongNode", message) };
  }
  const reportedAt = Date.parse(report.lastReportTime);
  if (reportedAt - facts.now > CLOCK_SKEW) {
    const message = `The device report is dated ahead: the clock of the node ${nodeName} is wrong.`;
    return { ...silent, reportedAt, refusal: refuse(pod, "ReportFromFuture", message) };
  }
  const freshUntil = reportedAt + patience(report, facts.gracePeriod);
  return { ...silent, report, reportedAt, freshUntil, fresh: facts.now < freshUntil };
}

/** Milliseconds that a report counts. */
export function patience(report: DeviceReport, gracePeriod: number): number {
  const heartbeats = MISSED_HEARTBEATS * 1000 * (report.heartbeatSeconds ?? 0);
  return Math.max(gracePeriod, Math.min(heartbeats, LONGEST_HEARTBEAT_WAIT));
}

/** While a DaemonSet rolls, a node has two pods: who stays and has reported speaks, else who has reported last. */
function speaksBefore(
  a: { readonly pod: PodFacts; readonly voice: Voice },
  b: { readonly pod: PodFacts; readonly voice: Voice },
): boolean {
  const rank = ({ voice }: { readonly voice: Voice }) => (voice.fresh ? 2 : 0) + (voice.live ? 1 : 0);
  if (rank(a) !== rank(b)) return rank(a) > rank(b);
  if (a.voice.reportedAt !== b.voice.reportedAt) return a.voice.reportedAt > b.voice.reportedAt;
  if (a.pod.createdAt !== b.pod.createdAt) return a.pod.createdAt > b.pod.createdAt;
  return a.pod.uid < b.pod.uid;
}

function refuse(pod: PodFacts, reason: Refusal["reason"], message: string): Refusal {
  return { podName: pod.name, podUid: pod.uid, reason, message };
}

function inOrder(refusals: readonly Refusal[]): readonly Refusal[] {
  return [...refusals].sort((a, b) => (a.podUid < b.podUid ? -1 : a.podUid > b.podUid ? 1 : 0));
}
