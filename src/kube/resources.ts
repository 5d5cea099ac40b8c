/** The built-in resources that this project touches, with the fields that it reads. */

import type { KubeObject, Resource } from "./object.ts";

export interface Secret extends KubeObject {
  readonly type?: string | undefined;
  readonly immutable?: boolean | undefined;
  /** Key to standard base64. */
  readonly data?: Readonly<Record<string, string>> | undefined;
}

export interface Lease extends KubeObject {
  readonly spec?:
    | {
        readonly holderIdentity?: string | undefined;
        readonly leaseDurationSeconds?: number | undefined;
        /** MicroTime: RFC 3339 with exactly six digits of a second. */
        readonly acquireTime?: string | undefined;
        readonly renewTime?: string | undefined;
        readonly leaseTransitions?: number | undefined;
      }
    | undefined;
}

export interface Namespace extends KubeObject {
  readonly status?: { readonly phase?: string | undefined } | undefined;
}

export interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string | undefined } | undefined;
  readonly status?: { readonly phase?: string | undefined } | undefined;
}

export const PODS: Resource<Pod> = {
  group: "",
  version: "v1",
  plural: "pods",
  kind: "Pod",
  namespaced: true,
};

/** Labels are all that is read of a node: ask for metadata only, as its status changes every few seconds. */
export const NODES: Resource = {
  group: "",
  version: "v1",
  plural: "nodes",
  kind: "Node",
  namespaced: false,
};

export const SECRETS: Resource<Secret> = {
  group: "",
  version: "v1",
  plural: "secrets",
  kind: "Secret",
  namespaced: true,
};

export const NAMESPACES: Resource<Namespace> = {
  group: "",
  version: "v1",
  plural: "namespaces",
  kind: "Namespace",
  namespaced: false,
};

export const LEASES: Resource<Lease> = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
  namespaced: true,
};

export const EVENTS: Resource = {
  group: "events.k8s.io",
  version: "v1",
  plural: "events",
  kind: "Event",
  namespaced: true,
};

export const CUSTOM_RESOURCE_DEFINITIONS: Resource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};

export const DEPLOYMENTS: Resource = {
  group: "apps",
  version: "v1",
  plural: "deployments",
  kind: "Deployment",
  namespaced: true,
};

export const STATEFUL_SETS: Resource = { ...DEPLOYMENTS, plural: "statefulsets", kind: "StatefulSet" };
export const DAEMON_SETS: Resource = { ...DEPLOYMENTS, plural: "daemonsets", kind: "DaemonSet" };
