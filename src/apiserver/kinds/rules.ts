/** The rules of each built-in kind. */

import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { invalidValue } from "../status/status.ts";
import { crdRules } from "./crd.ts";
import { labelErrors, pathSegmentErrors, serviceNameErrors, subdomainErrors } from "./names.ts";
import { secretRules } from "./secret.ts";

const PLAIN: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: true,
  generation: "none",
  separateStatus: false,
};

const WORKLOAD: KindRules = { ...PLAIN, generation: "spec", separateStatus: true, prepareCreate: dropStatus };

function dropStatus(object: KubeObject): void {
  object["status"] = {};
}

const RBAC: KindRules = { ...PLAIN, nameErrors: pathSegmentErrors };

const RULES: Record<string, KindRules> = {
  secrets: secretRules,
  "customresourcedefinitions.apiextensions.k8s.io": crdRules,
  namespaces: {
    ...PLAIN,
    nameErrors: labelErrors,
    separateStatus: true,
    prepareCreate: (object) => {
      const name = object.metadata.name ?? "";
      object.metadata.labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": name };
      object["spec"] = { finalizers: ["kubernetes"] };
      object["status"] = { phase: "Active" };
    },
    prepareUpdate: (object, old) => {
      object["spec"] = old["spec"];
      const name = object.metadata.name ?? "";
      object.metadata.labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": name };
    },
  },
  nodes: { ...PLAIN, separateStatus: true },
  services: { ...PLAIN, nameErrors: serviceNameErrors, separateStatus: true },
  pods: {
    ...PLAIN,
    generation: "spec",
    separateStatus: true,
    prepareCreate: (object) => {
      object["status"] = { phase: "Pending", qosClass: "BestEffort" };
    },
    gracePeriod: (object, asked) => {
      // What runs nowhere needs no time to end.
      const spec = child(object, "spec");
      if (typeof spec["nodeName"] !== "string" || spec["nodeName"] === "") return 0;
      const phase = child(object, "status")["phase"];
      if (phase === "Failed" || phase === "Succeeded") return 0;
      const own = spec["terminationGracePeriodSeconds"];
      return asked ?? (typeof own === "number" ? own : 30);
    },
  },
  "deployments.apps": WORKLOAD,
  "replicasets.apps": WORKLOAD,
  "daemonsets.apps": WORKLOAD,
  "statefulsets.apps": WORKLOAD,
  "leases.coordination.k8s.io": { ...PLAIN, unconditionalUpdate: false },
  "poddisruptionbudgets.policy": { ...WORKLOAD, unconditionalUpdate: false },
  "networkpolicies.networking.k8s.io": { ...PLAIN, generation: "spec" },
  "roles.rbac.authorization.k8s.io": RBAC,
  "clusterroles.rbac.authorization.k8s.io": RBAC,
  "rolebindings.rbac.authorization.k8s.io": {
    ...RBAC,
    normalize: defaultSubjects,
    validate: (object, old) => roleRefErrors(object, old),
  },
  "clusterrolebindings.rbac.authorization.k8s.io": {
    ...RBAC,
    normalize: defaultSubjects,
    validate: (object, old) => roleRefErrors(object, old),
  },
  "validatingadmissionpolicies.admissionregistration.k8s.io": { ...WORKLOAD, unconditionalUpdate: false },
};

function defaultSubjects(object: KubeObject): void {
  const subjects = Array.isArray(object["subjects"]) ? (object["subjects"] as JsonObject[]) : [];
  for (const subject of subjects) {
    if (!isJsonObject(subject) || subject["kind"] === "ServiceAccount") continue;
    if ((subject["apiGroup"] ?? "") === "") subject["apiGroup"] = "rbac.authorization.k8s.io";
  }
}

function roleRefErrors(object: KubeObject, old: KubeObject | undefined) {
  const reference = child(object, "roleRef");
  const before = child(old, "roleRef");
  if (old === undefined || (reference["kind"] === before["kind"] && reference["name"] === before["name"]))
    return [];
  const shown = { APIGroup: reference["apiGroup"], Kind: reference["kind"], Name: reference["name"] };
  return [invalidValue("roleRef", shown, "cannot change roleRef")];
}

export function rulesOf(group: string, plural: string): KindRules {
  return RULES[group === "" ? plural : `${plural}.${group}`] ?? PLAIN;
}
