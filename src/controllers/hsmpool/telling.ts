/** Events about reports: each thing is told once, however often it is looked at. */

import type { EventRecorder } from "../../kube/events.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Refusal } from "./facts.ts";

export interface Telling {
  refusals(refusals: readonly Refusal[]): void;
  onTwoNodes(pool: KubeObject, serials: readonly string[]): void;
  /** Why the device has no pool of ours; `undefined` when it has one. */
  poolRefused(
    device: KubeObject,
    refusal: { readonly reason: string; readonly message: string } | undefined,
  ): void;
  /** The pod is gone. */
  forgetPod(uid: string): void;
}

export function createTelling(
  events: Pick<EventRecorder, "record">,
  podOf: (name: string) => KubeObject | undefined,
): Telling {
  /** UID of the pod to what was told of it. */
  const told = new Map<string, Set<string>>();
  /** UID of the pool to the serial numbers that were told of. */
  const twice = new Map<string, readonly string[]>();
  /** UID of the device to why it has no pool. */
  const poolless = new Map<string, string>();
  return {
    poolRefused(device, refusal) {
      const { uid } = device.metadata;
      if (refusal === undefined) {
        poolless.delete(uid);
        return;
      }
      const { reason, message: note } = refusal;
      if (poolless.get(uid) === note) return;
      poolless.set(uid, note);
      events.record({ regarding: device, type: "Warning", reason, action: "MakePool", note });
    },
    refusals(refusals) {
      for (const { podName, podUid, reason, message } of refusals) {
        const known = told.get(podUid) ?? new Set();
        const pod = podOf(podName);
        if (known.has(reason) || pod === undefined || pod.metadata.uid !== podUid) continue;
        told.set(podUid, known.add(reason));
        events.record({ regarding: pod, type: "Warning", reason, action: "IgnoreReport", note: message });
      }
    },
    onTwoNodes(pool, serials) {
      const { uid } = pool.metadata;
      for (const serial of serials) {
        if (twice.get(uid)?.includes(serial) === true) continue;
        const note = `Several nodes report the device ${serial} at once: serial numbers must be unique.`;
        const reason = "SerialOnTwoNodes";
        events.record({ regarding: pool, type: "Warning", reason, action: "Aggregate", note });
      }
      if (serials.length === 0) twice.delete(uid);
      else twice.set(uid, serials);
    },
    forgetPod(uid) {
      told.delete(uid);
    },
  };
}
