/** Eviction: a deletion that a PodDisruptionBudget may refuse. */

import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { matchesLabelSelector } from "../selectors/labels.ts";
import { ApiError, internal, notFound, success } from "../status/status.ts";
import { type Core, find, timestamp } from "./core.ts";
import { deleteOptions } from "./options.ts";
import { remove } from "./remove.ts";
import type { SubresourceAnswer, SubresourceCall } from "./subresources.ts";

const BUDGETS = "poddisruptionbudgets.policy";

export async function evict({ core, target, body }: SubresourceCall): Promise<SubresourceAnswer> {
  const pod = find(core, target.definition, target.namespace, target.name)?.object;
  if (pod === undefined) throw notFound(target.definition, target.name);
  const given = body["deleteOptions"];
  const options = deleteOptions(new URLSearchParams(), isJsonObject(given) ? given : {});
  if (!isExempt(pod)) spend(core, pod, options.dryRun);
  remove(core, target.definition, target.namespace, target.name, options);
  return { code: 201, body: success(undefined, 201) };
}

/** Pods that do not run are no loss. */
function isExempt(pod: KubeObject): boolean {
  const phase = child(pod, "status")["phase"];
  return pod.metadata.deletionTimestamp !== undefined || phase !== "Running";
}

function spend(core: Core, pod: KubeObject, dryRun: boolean): void {
  const namespace = pod.metadata.namespace ?? "";
  const budgets = [...core.store.shelf(BUDGETS).range(`${namespace}/`)].filter(({ object }) =>
    matchesLabelSelector(child(object, "spec")["selector"], pod.metadata.labels),
  );
  const [budget, second] = budgets;
  if (second !== undefined) {
    throw internal(
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  }
  if (budget === undefined) return;
  const { object, key } = budget;
  const status = child(object, "status");
  if (Number(status["observedGeneration"] ?? 0) < (object.metadata.generation ?? 0)) {
    throw refused(
      `The disruption budget ${object.metadata.name} is still being processed by the server.`,
      10,
    );
  }
  const allowed = Number(status["disruptionsAllowed"] ?? 0);
  if (allowed <= 0) {
    throw refused(
      `The disruption budget ${object.metadata.name} needs ${Number(status["desiredHealthy"] ?? 0)} healthy pods and has ${Number(status["currentHealthy"] ?? 0)} currently`,
    );
  }
  if (dryRun) return;
  const disrupted: JsonObject = {
    ...child(status, "disruptedPods"),
    [pod.metadata.name ?? ""]: timestamp(core.now()),
  };
  const next = { ...status, disruptionsAllowed: allowed - 1, disruptedPods: disrupted };
  core.store.put(BUDGETS, key, { ...object, status: next });
}

function refused(message: string, retryAfterSeconds?: number): ApiError {
  return new ApiError(
    429,
    "TooManyRequests",
    "Cannot evict pod as it would violate the pod's disruption budget.",
    {
      causes: [{ reason: "DisruptionBudget", message }],
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
  );
}
