/** HSMPool as it travels, and what pods say as facts. */

import { ANNOTATION_DEVICE_REPORT, type ParsedReports, parseDeviceReports } from "../../crd/device-report.ts";
import type { HsmPoolStatus } from "../../crd/hsmpool.ts";
import { GROUP, VERSION } from "../../crd/names.ts";
import type { KubeObject, Resource } from "../../kube/object.ts";
import type { Pod } from "../../kube/resources.ts";
import type { PodFacts } from "./facts.ts";

/** The spec is looked at through src/crd/parse.ts only. */
export interface HsmPoolObject extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>> | undefined;
  readonly status?: HsmPoolStatus | undefined;
}

export const HSM_POOLS: Resource<HsmPoolObject> = {
  group: GROUP,
  version: VERSION,
  plural: "hsmpools",
  kind: "HSMPool",
  namespaced: true,
};

const POOL_SUFFIX = "-pool";

export function poolNameOf(device: string): string {
  return `${device}${POOL_SUFFIX}`;
}

/** The inverse of `poolNameOf`; `undefined` for a pool that no device of ours is named after. */
export function deviceNameOf(pool: string): string | undefined {
  return pool.length > POOL_SUFFIX.length && pool.endsWith(POOL_SUFFIX)
    ? pool.slice(0, -POOL_SUFFIX.length)
    : undefined;
}

/** Parsed once a version of the pod, however many pools look at it. */
const parsed = new WeakMap<Pod, ParsedReports>();

export function podFacts(pod: Pod): PodFacts {
  const { metadata } = pod;
  const text = metadata.annotations?.[ANNOTATION_DEVICE_REPORT];
  let reports = parsed.get(pod);
  if (reports === undefined && text !== undefined) {
    reports = parseDeviceReports(text);
    parsed.set(pod, reports);
  }
  const phase = pod.status?.phase;
  return {
    name: metadata.name,
    uid: metadata.uid,
    nodeName: pod.spec?.nodeName,
    createdAt: metadata.creationTimestamp ?? "",
    live: metadata.deletionTimestamp === undefined && phase !== "Failed" && phase !== "Succeeded",
    controllerUid: metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid,
    reports,
  };
}
