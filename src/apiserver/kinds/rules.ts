/** The rules of each built-in kind. */

import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { invalidValue } from "../status/status.ts";
import { crdRules } from "./crd.ts";
import { eventRules } from "./event.ts";
import { leaseRules } from "./lease.ts";
import { labelErrors, pathSegmentErrors, subdomainErrors } from "./names.ts";
import { podRules } from "./pod.ts";
import { secretRules } from "./secret.ts";
import { serviceRules } from "./service.ts";
import { daemonSetRules, deploymentRules, replicaSetRules, statefulSetRules } from "./workload.ts";

const PLAIN: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: true,
  generation: "none",
  separateStatus: false,
};

const WORKLOAD: KindRules = { ...PLAIN, generation: "spec", separateStatus: true, prepareCreate: dropStatus };

function namespaceNameErrors(name: string, prefix: boolean): string[] {
  return name.includes(".") ? ["must not contain dots"] : labelErrors(name, prefix);
}

function dropStatus(object: KubeObject): void {
  object["status"] = {};
}

const RBAC: KindRules = { ...PLAIN, nameErrors: pathSegmentErrors };

const RULES: Record<string, KindRules> = {
  secrets: secretRules,
  "customresourcedefinitions.apiextensions.k8s.io": crdRules,
  namespaces: {
    ...PLAIN,
    nameErrors: namespaceNameErrors,
    separateStatus: true,
    normalize: (object) => {
      const name = object.metadata.name ?? "";
      if (name === "") return;
      object.metadata.labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": name };
    },
    prepareCreate: (object) => {
      object["spec"] = { finalizers: ["kubernetes"] };
      object["status"] = { phase: "Active" };
    },
    prepareUpdate: (object, old) => {
      object["spec"] = old["spec"];
    },
  },
  nodes: { ...PLAIN, separateStatus: true },
  services: serviceRules,
  serviceaccounts: { ...PLAIN, deletionAnswersObject: true },
  events: eventRules,
  "events.events.k8s.io": eventRules,
  pods: podRules,
  "deployments.apps": deploymentRules,
  "replicasets.apps": replicaSetRules,
  "daemonsets.apps": daemonSetRules,
  "statefulsets.apps": statefulSetRules,
  "leases.coordination.k8s.io": leaseRules,
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
