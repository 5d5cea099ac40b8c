/** The built-in resources: names, scopes, verbs and subresources as kube-apiserver 1.36 lists them. */

import { eventConversion } from "../kinds/event.ts";
import { rulesOf } from "../kinds/rules.ts";
import { tableOf } from "../table/builtin.ts";
import { fieldsOf } from "./builtin-fields.ts";
import type { Codec, ResourceDefinition, SubresourceDefinition } from "./definition.ts";
import { GROUP_ORDER, STORED_GROUPS } from "./stored-groups.ts";

const ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const WITHOUT_COLLECTION = ALL.filter((verb) => verb !== "deletecollection");
const STATUS_VERBS = ["get", "patch", "update"];

const PROXY_VERBS = ["create", "delete", "get", "patch", "update"];

export interface Row {
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly singular?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs?: readonly string[];
  readonly status?: boolean;
  readonly scale?: boolean;
  readonly more?: readonly SubresourceDefinition[];
  /** Kept with another resource's objects. */
  readonly storage?: string;
}

export type Group = readonly [group: string, version: string, rows: readonly Row[]];

const GROUPS: readonly Group[] = [
  [
    "",
    "v1",
    [
      { plural: "bindings", kind: "Binding", namespaced: true, verbs: ["create"] },
      {
        plural: "componentstatuses",
        singular: "componentstatus",
        kind: "ComponentStatus",
        namespaced: false,
        shortNames: ["cs"],
        verbs: ["get", "list"],
      },
      { plural: "configmaps", kind: "ConfigMap", namespaced: true, shortNames: ["cm"] },
      { plural: "endpoints", singular: "endpoints", kind: "Endpoints", namespaced: true, shortNames: ["ep"] },
      { plural: "events", kind: "Event", namespaced: true, shortNames: ["ev"] },
      { plural: "limitranges", kind: "LimitRange", namespaced: true, shortNames: ["limits"] },
      {
        plural: "namespaces",
        kind: "Namespace",
        namespaced: false,
        shortNames: ["ns"],
        verbs: WITHOUT_COLLECTION,
        status: true,
        more: [{ name: "finalize", kind: "Namespace", verbs: ["update"] }],
      },
      {
        plural: "nodes",
        kind: "Node",
        namespaced: false,
        shortNames: ["no"],
        status: true,
        more: [{ name: "proxy", kind: "NodeProxyOptions", verbs: PROXY_VERBS }],
      },
      {
        plural: "persistentvolumeclaims",
        kind: "PersistentVolumeClaim",
        namespaced: true,
        shortNames: ["pvc"],
        status: true,
      },
      {
        plural: "persistentvolumes",
        kind: "PersistentVolume",
        namespaced: false,
        shortNames: ["pv"],
        status: true,
      },
      {
        plural: "pods",
        kind: "Pod",
        namespaced: true,
        shortNames: ["po"],
        categories: ["all"],
        status: true,
        more: [
          { name: "attach", kind: "PodAttachOptions", verbs: ["create", "get"] },
          { name: "binding", kind: "Binding", verbs: ["create"] },
          { name: "ephemeralcontainers", kind: "Pod", verbs: STATUS_VERBS },
          { name: "exec", kind: "PodExecOptions", verbs: ["create", "get"] },
          { name: "portforward", kind: "PodPortForwardOptions", verbs: ["create", "get"] },
          { name: "proxy", kind: "PodProxyOptions", verbs: PROXY_VERBS },
          { name: "resize", kind: "Pod", verbs: STATUS_VERBS },
          { name: "eviction", kind: "Eviction", verbs: ["create"], bodyGroup: "policy", bodyVersion: "v1" },
          { name: "log", kind: "Pod", verbs: ["get"] },
        ],
      },
      { plural: "podtemplates", kind: "PodTemplate", namespaced: true },
      {
        plural: "replicationcontrollers",
        kind: "ReplicationController",
        namespaced: true,
        shortNames: ["rc"],
        categories: ["all"],
        status: true,
        scale: true,
      },
      {
        plural: "resourcequotas",
        kind: "ResourceQuota",
        namespaced: true,
        shortNames: ["quota"],
        status: true,
      },
      { plural: "secrets", kind: "Secret", namespaced: true },
      {
        plural: "serviceaccounts",
        kind: "ServiceAccount",
        namespaced: true,
        shortNames: ["sa"],
        more: [
          {
            name: "token",
            kind: "TokenRequest",
            verbs: ["create"],
            bodyGroup: "authentication.k8s.io",
            bodyVersion: "v1",
          },
        ],
      },
      {
        plural: "services",
        kind: "Service",
        namespaced: true,
        shortNames: ["svc"],
        categories: ["all"],
        status: true,
        more: [{ name: "proxy", kind: "ServiceProxyOptions", verbs: PROXY_VERBS }],
      },
    ],
  ],
  [
    "apps",
    "v1",
    [
      { plural: "controllerrevisions", kind: "ControllerRevision", namespaced: true },
      {
        plural: "daemonsets",
        kind: "DaemonSet",
        namespaced: true,
        shortNames: ["ds"],
        categories: ["all"],
        status: true,
      },
      {
        plural: "deployments",
        kind: "Deployment",
        namespaced: true,
        shortNames: ["deploy"],
        categories: ["all"],
        status: true,
        scale: true,
      },
      {
        plural: "replicasets",
        kind: "ReplicaSet",
        namespaced: true,
        shortNames: ["rs"],
        categories: ["all"],
        status: true,
        scale: true,
      },
      {
        plural: "statefulsets",
        kind: "StatefulSet",
        namespaced: true,
        shortNames: ["sts"],
        categories: ["all"],
        status: true,
        scale: true,
      },
    ],
  ],
  [
    "events.k8s.io",
    "v1",
    [{ plural: "events", kind: "Event", namespaced: true, shortNames: ["ev"], storage: "events" }],
  ],
  [
    "authentication.k8s.io",
    "v1",
    [
      { plural: "selfsubjectreviews", kind: "SelfSubjectReview", namespaced: false, verbs: ["create"] },
      { plural: "tokenreviews", kind: "TokenReview", namespaced: false, verbs: ["create"] },
    ],
  ],
  [
    "authorization.k8s.io",
    "v1",
    [
      {
        plural: "localsubjectaccessreviews",
        kind: "LocalSubjectAccessReview",
        namespaced: true,
        verbs: ["create"],
      },
      {
        plural: "selfsubjectaccessreviews",
        kind: "SelfSubjectAccessReview",
        namespaced: false,
        verbs: ["create"],
      },
      {
        plural: "selfsubjectrulesreviews",
        kind: "SelfSubjectRulesReview",
        namespaced: false,
        verbs: ["create"],
      },
      { plural: "subjectaccessreviews", kind: "SubjectAccessReview", namespaced: false, verbs: ["create"] },
    ],
  ],
  [
    "networking.k8s.io",
    "v1",
    [{ plural: "networkpolicies", kind: "NetworkPolicy", namespaced: true, shortNames: ["netpol"] }],
  ],
  [
    "policy",
    "v1",
    [
      {
        plural: "poddisruptionbudgets",
        kind: "PodDisruptionBudget",
        namespaced: true,
        shortNames: ["pdb"],
        status: true,
      },
    ],
  ],
  [
    "rbac.authorization.k8s.io",
    "v1",
    [
      { plural: "clusterrolebindings", kind: "ClusterRoleBinding", namespaced: false },
      { plural: "clusterroles", kind: "ClusterRole", namespaced: false },
      { plural: "rolebindings", kind: "RoleBinding", namespaced: true },
      { plural: "roles", kind: "Role", namespaced: true },
    ],
  ],
  [
    "admissionregistration.k8s.io",
    "v1",
    [
      {
        plural: "mutatingwebhookconfigurations",
        kind: "MutatingWebhookConfiguration",
        namespaced: false,
        categories: ["api-extensions"],
      },
      {
        plural: "validatingadmissionpolicies",
        singular: "validatingadmissionpolicy",
        kind: "ValidatingAdmissionPolicy",
        namespaced: false,
        categories: ["api-extensions"],
        status: true,
      },
      {
        plural: "validatingadmissionpolicybindings",
        kind: "ValidatingAdmissionPolicyBinding",
        namespaced: false,
        categories: ["api-extensions"],
      },
      {
        plural: "validatingwebhookconfigurations",
        kind: "ValidatingWebhookConfiguration",
        namespaced: false,
        categories: ["api-extensions"],
      },
    ],
  ],
  [
    "apiextensions.k8s.io",
    "v1",
    [
      {
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
        namespaced: false,
        shortNames: ["crd", "crds"],
        categories: ["api-extensions"],
        status: true,
      },
    ],
  ],
  ["coordination.k8s.io", "v1", [{ plural: "leases", kind: "Lease", namespaced: true }]],
];

/** `codecOf` gives the shape of a kind. */
export function builtinResources(
  codecOf: (group: string, version: string, kind: string) => Codec,
): ResourceDefinition[] {
  const rank = ([group]: Group): number => GROUP_ORDER.indexOf(group);
  return [...GROUPS, ...STORED_GROUPS]
    .sort((a, b) => rank(a) - rank(b))
    .flatMap(([group, version, rows]) =>
      rows.map((row) => definition(group, version, row, codecOf(group, version, row.kind))),
    );
}

function definition(group: string, version: string, row: Row, codec: Codec): ResourceDefinition {
  const subresources: SubresourceDefinition[] = [...(row.more ?? [])];
  if (row.scale === true) {
    subresources.push({
      name: "scale",
      kind: "Scale",
      verbs: STATUS_VERBS,
      bodyGroup: "autoscaling",
      bodyVersion: "v1",
    });
  }
  if (row.status === true) subresources.push({ name: "status", kind: row.kind, verbs: STATUS_VERBS });
  const storage = row.storage ?? (group === "" ? row.plural : `${row.plural}.${group}`);
  return {
    group,
    version,
    plural: row.plural,
    singular: row.singular ?? row.kind.toLowerCase(),
    kind: row.kind,
    listKind: `${row.kind}List`,
    namespaced: row.namespaced,
    shortNames: row.shortNames ?? [],
    categories: row.categories ?? [],
    verbs: row.verbs ?? ALL,
    subresources: subresources.sort((a, b) => (a.name < b.name ? -1 : 1)),
    storage,
    custom: false,
    fields: fieldsOf(group, row.plural),
    codec,
    rules: rulesOf(group, row.plural),
    table: tableOf(group, row.plural),
    ...(group === "events.k8s.io" ? { convert: eventConversion } : {}),
  };
}
