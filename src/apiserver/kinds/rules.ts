/** The rules of each built-in kind. */

import type { KubeObject } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { configMapRules } from "./config-map.ts";
import { crdRules } from "./crd.ts";
import { eventRules } from "./event.ts";
import { leaseRules } from "./lease.ts";
import { labelErrors, subdomainErrors } from "./names.ts";
import { podRules } from "./pod.ts";
import { bindingRules, clusterRoleRules, roleRules } from "./rbac.ts";
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

const RULES: Record<string, KindRules> = {
  secrets: secretRules,
  configmaps: configMapRules,
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
  "roles.rbac.authorization.k8s.io": roleRules,
  "clusterroles.rbac.authorization.k8s.io": clusterRoleRules,
  "rolebindings.rbac.authorization.k8s.io": bindingRules,
  "clusterrolebindings.rbac.authorization.k8s.io": bindingRules,
  "validatingadmissionpolicies.admissionregistration.k8s.io": { ...WORKLOAD, unconditionalUpdate: false },
};

export function rulesOf(group: string, plural: string): KindRules {
  return RULES[group === "" ? plural : `${plural}.${group}`] ?? PLAIN;
}
