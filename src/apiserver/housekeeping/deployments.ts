/**
 * The status of Deployments that want no pods (paused, or scaled to nothing), as the Deployment controller writes it.
 * There is no scheduler and no kubelet here: the others stay as their clients leave them.
 */

import { child, isJsonObject, type JsonObject, sameJson } from "../object.ts";
import { type Core, timestamp } from "../verbs/core.ts";
import { CONTROLLER_MANAGER, writtenBy } from "./manager-fields.ts";

export const DEPLOYMENTS = "deployments.apps";

export function reconcileDeployment(core: Core, key: string): boolean {
  const deployment = core.store.get(DEPLOYMENTS, key)?.object;
  if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return true;
  const spec = child(deployment, "spec");
  const paused = spec["paused"] === true;
  if (spec["replicas"] !== 0) return true;
  const status = child(deployment, "status");
  const before = Array.isArray(status["conditions"]) ? status["conditions"].filter(isJsonObject) : [];
  const now = timestamp(core.now());
  const conditions = [
    paused
      ? ["Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"]
      : ["Progressing", "True", "NewReplicaSetAvailable", "Deployment has successfully progressed."],
    ["Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."],
  ].map(([type, value, reason, message]): JsonObject => {
    const old = before.find((item) => item["type"] === type);
    if (old?.["status"] === value && old?.["reason"] === reason) return old ?? {};
    const since = old?.["status"] === value ? old?.["lastTransitionTime"] : now;
    return { type, status: value, lastUpdateTime: now, lastTransitionTime: since, reason, message };
  });
  const next = {
    ...status,
    observedGeneration: deployment.metadata.generation,
    terminatingReplicas: 0,
    conditions,
  };
  if (sameJson(next, status)) return true;
  const written = { ...deployment, status: next };
  core.store.put(
    DEPLOYMENTS,
    key,
    writtenBy(core, DEPLOYMENTS, CONTROLLER_MANAGER, deployment, written, "status"),
  );
  return true;
}
