/** What the state of a pool is made from. Times are milliseconds since 1970. */

import type { ParsedReports } from "../../crd/device-report.ts";
import type { HsmPoolStatus } from "../../crd/hsmpool.ts";
import type { Labels } from "../../kube/labels.ts";

export interface PodFacts {
  readonly name: string;
  readonly uid: string;
  /** Absent until it is scheduled. */
  readonly nodeName: string | undefined;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Neither being deleted nor ended. */
  readonly live: boolean;
  /** UID of its controller. */
  readonly controllerUid: string | undefined;
  /** Its report annotation; absent when it has none. */
  readonly reports: ParsedReports | undefined;
}

export interface NodeFacts {
  readonly name: string;
  readonly labels: Labels;
}

export interface PoolFacts {
  /** Name of the HSMDevice. */
  readonly hsmDevice: string;
  readonly nodeSelector: Labels | undefined;
  /** Milliseconds. */
  readonly gracePeriod: number;
  /** Absent when there is no DaemonSet of ours: then no report counts. */
  readonly daemonSetUid: string | undefined;
  /** All pods of the operator's namespace. */
  readonly pods: readonly PodFacts[];
  readonly nodes: readonly NodeFacts[];
  readonly prior: HsmPoolStatus;
  /** Of the pool's spec. */
  readonly generation: number;
  /**
   * Since when nodes have been without a report that tells their devices. Memory of this process: a node that is not
   * in it fell silent now, so that a restart of the manager takes nothing away.
   */
  readonly silentSince: ReadonlyMap<string, number>;
  /** Since when the pods have been seen without a break: who could not be heard was not silent. */
  readonly observingSince: number;
  readonly now: number;
}

export type RefusalReason =
  | "ForeignReport"
  | "WrongNode"
  | "ReportTooLarge"
  | "ReportMalformed"
  | "ReportFromFuture";

/** A report that does not count. */
export interface Refusal {
  readonly podName: string;
  readonly podUid: string;
  readonly reason: RefusalReason;
  /** One sentence; repeats nothing of the report. */
  readonly message: string;
}
