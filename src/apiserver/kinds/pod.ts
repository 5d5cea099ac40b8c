/** Pod: what admission adds, quality of service, what an update may change, graceful deletion. */

import { child, copyJson, isJsonObject, type JsonObject, type KubeObject, sameJson } from "../object.ts";
import type { KindRules, RuleContext } from "../resources/definition.ts";
import { type Cause, forbidden, forbiddenField, invalidValue } from "../status/status.ts";
import { generateName } from "../verbs/random-name.ts";
import { subdomainErrors } from "./names.ts";
import { containersOf, defaultPodSpec, podSpecErrors } from "./pod-spec.ts";

const PODS = { group: "", plural: "pods" };
const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const DEFAULT_GRACE_SECONDS = 30;

export const podRules: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: true,
  generation: "spec",
  separateStatus: true,
  normalize: (object) => {
    const spec = child(object, "spec");
    defaultPodSpec(spec);
    if (spec["enableServiceLinks"] === undefined) spec["enableServiceLinks"] = true;
    object["spec"] = spec;
    normalizeStatus(object);
  },
  prepareCreate,
  validate,
  gracePeriod,
};

function normalizeStatus(object: KubeObject): void {
  const status = object["status"];
  if (!isJsonObject(status)) return;
  status["qosClass"] ??= qualityOfService(child(object, "spec"));
  const ip = status["podIP"];
  if (typeof ip === "string" && ip !== "") status["podIPs"] ??= [{ ip }];
  for (const condition of Array.isArray(status["conditions"]) ? status["conditions"] : []) {
    if (!isJsonObject(condition)) continue;
    condition["lastProbeTime"] ??= null;
    condition["lastTransitionTime"] ??= null;
  }
}

function prepareCreate(object: KubeObject, context: RuleContext): void {
  const spec = child(object, "spec");
  const account = String(spec["serviceAccountName"] ?? "default");
  spec["serviceAccountName"] = account;
  spec["serviceAccount"] = account;
  if (context.find("serviceaccounts", `${context.namespace}/${account}`) === undefined) {
    throw forbidden(
      PODS,
      object.metadata.name ?? "",
      `error looking up service account ${context.namespace}/${account}: serviceaccount ${JSON.stringify(account)} not found`,
    );
  }
  if (spec["automountServiceAccountToken"] !== false) mountToken(spec);
  spec["priority"] ??= 0;
  spec["preemptionPolicy"] ??= "PreemptLowerPriority";
  tolerateNodeLoss(spec);
  object["spec"] = spec;
  object["status"] = { phase: "Pending", qosClass: qualityOfService(spec) };
}

function mountToken(spec: JsonObject): void {
  const needing = containersOf(spec).filter(
    (container) => !mounts(container).some((item) => item["mountPath"] === TOKEN_PATH),
  );
  if (needing.length === 0) return;
  const name = generateName("kube-api-access-");
  const sources = [
    { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
    { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
    {
      downwardAPI: {
        items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
      },
    },
  ];
  const volumes = Array.isArray(spec["volumes"]) ? spec["volumes"] : [];
  spec["volumes"] = [...volumes, { name, projected: { sources, defaultMode: 420 } }];
  for (const container of needing) {
    container["volumeMounts"] = [...mounts(container), { name, readOnly: true, mountPath: TOKEN_PATH }];
  }
}

function mounts(container: JsonObject): JsonObject[] {
  return Array.isArray(container["volumeMounts"]) ? container["volumeMounts"].filter(isJsonObject) : [];
}

function tolerateNodeLoss(spec: JsonObject): void {
  const tolerations = Array.isArray(spec["tolerations"]) ? spec["tolerations"].filter(isJsonObject) : [];
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    const covered = tolerations.some(
      (item) =>
        (item["key"] === key || item["key"] === undefined) &&
        [undefined, "NoExecute"].includes(item["effect"] as string | undefined),
    );
    if (!covered) tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });
  }
  spec["tolerations"] = tolerations;
}

function qualityOfService(spec: JsonObject): string {
  let any = false;
  let guaranteed = true;
  for (const container of containersOf(spec)) {
    const limits = child(container["resources"], "limits");
    const requests = child(container["resources"], "requests");
    for (const key of ["cpu", "memory"]) {
      if (limits[key] !== undefined || requests[key] !== undefined) any = true;
      if (limits[key] === undefined || limits[key] !== requests[key]) guaranteed = false;
    }
  }
  return any ? (guaranteed ? "Guaranteed" : "Burstable") : "BestEffort";
}

const CHANGEABLE =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

function validate(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const spec = child(object, "spec");
  if (old === undefined) return podSpecErrors(spec, "spec");
  const fixed = (source: JsonObject): JsonObject => {
    const copy = copyJson(source);
    for (const container of containersOf(copy)) delete container["image"];
    for (const field of ["activeDeadlineSeconds", "tolerations", "nodeName"]) delete copy[field];
    return copy;
  };
  const before = child(old, "spec");
  const causes = podSpecErrors(spec, "spec");
  for (const key of ["containers", "initContainers"]) {
    if (listOf(spec[key]).length === listOf(before[key]).length) continue;
    return [...causes, forbiddenField(`spec.${key}`, "pod updates may not add or remove containers")];
  }
  const deadline = deadlineErrors(spec["activeDeadlineSeconds"], before["activeDeadlineSeconds"]);
  if (deadline.length > 0) return [...causes, ...deadline];
  causes.push(...tolerationErrors(listOf(spec["tolerations"]), listOf(before["tolerations"])));
  const rebound = (before["nodeName"] ?? "") !== "" && before["nodeName"] !== spec["nodeName"];
  if (rebound || !sameJson(fixed(spec), fixed(before))) causes.push(forbiddenField("spec", CHANGEABLE));
  return causes;
}

function deadlineErrors(seconds: unknown, before: unknown): Cause[] {
  if (before === undefined) return [];
  const field = "spec.activeDeadlineSeconds";
  if (seconds === undefined) {
    return [invalidValue(field, null, "must not update from a positive integer to nil value")];
  }
  return Number(seconds) > Number(before)
    ? [invalidValue(field, seconds, "must be less than or equal to previous value")]
    : [];
}

function tolerationErrors(tolerations: readonly JsonObject[], before: readonly JsonObject[]): Cause[] {
  const lasting = ({ tolerationSeconds: _seconds, ...rest }: JsonObject): JsonObject => rest;
  const kept = before.every((old) => tolerations.some((item) => sameJson(lasting(item), lasting(old))));
  const why = "existing toleration can not be modified except its tolerationSeconds";
  return kept ? [] : [forbiddenField("spec.tolerations", why)];
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function gracePeriod(object: KubeObject, asked: number | undefined): number {
  const spec = child(object, "spec");
  const own = spec["terminationGracePeriodSeconds"];
  const wanted = asked ?? (typeof own === "number" ? own : DEFAULT_GRACE_SECONDS);
  // What runs nowhere, or has ended, needs no time.
  if ((spec["nodeName"] ?? "") === "") return 0;
  const phase = child(object, "status")["phase"];
  return phase === "Failed" || phase === "Succeeded" ? 0 : wanted;
}
