/** What a fresh cluster has: the system namespaces and the default roles. */

import type { JsonObject } from "../object.ts";
import { type Core, newUid, timestamp } from "../verbs/core.ts";

const NAMESPACES = ["default", "kube-node-lease", "kube-public", "kube-system"];
const RBAC = "rbac.authorization.k8s.io";
const DISCOVERY_URLS = [
  "/api",
  "/api/*",
  "/apis",
  "/apis/*",
  "/healthz",
  "/livez",
  "/openapi",
  "/openapi/*",
  "/readyz",
  "/version",
  "/version/",
];
const PUBLIC_URLS = ["/healthz", "/livez", "/readyz", "/version", "/version/"];

const CLUSTER_ROLES: Record<string, JsonObject[]> = {
  "cluster-admin": [
    { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    { verbs: ["*"], nonResourceURLs: ["*"] },
  ],
  "system:basic-user": [
    {
      verbs: ["create"],
      apiGroups: ["authorization.k8s.io"],
      resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    },
    { verbs: ["create"], apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"] },
  ],
  "system:issuer-document": [{ verbs: ["get"], nonResourceURLs: ["/.well-known", "/.well-known/*"] }],
  "system:service-account-issuer-discovery": [
    { verbs: ["get"], nonResourceURLs: ["/openid/v1/jwks", "/openid/v1/jwks/"] },
  ],
  "system:discovery": [{ verbs: ["get"], nonResourceURLs: DISCOVERY_URLS }],
  "system:public-info-viewer": [{ verbs: ["get"], nonResourceURLs: PUBLIC_URLS }],
};

const BINDINGS: readonly (readonly [role: string, groups: readonly string[]])[] = [
  ["cluster-admin", ["system:masters"]],
  ["system:basic-user", ["system:authenticated"]],
  ["system:public-info-viewer", ["system:authenticated", "system:unauthenticated"]],
  ["system:issuer-document", ["system:authenticated"]],
  ["system:service-account-issuer-discovery", ["system:serviceaccounts"]],
  ["system:discovery", ["system:authenticated"]],
];

/** Adds what is missing; what people changed stays. */
export function bootstrap(core: Core): void {
  const meta = (name: string, more: JsonObject = {}) => ({
    name,
    uid: newUid(),
    creationTimestamp: timestamp(core.now()),
    ...more,
  });
  const labels = { "kubernetes.io/bootstrapping": "rbac-defaults" };
  for (const [name, rules] of Object.entries(CLUSTER_ROLES)) {
    putMissing(core, `clusterroles.${RBAC}`, name, {
      kind: "ClusterRole",
      apiVersion: `${RBAC}/v1`,
      metadata: meta(name, { labels }),
      rules,
    });
  }
  for (const [name, groups] of BINDINGS) {
    putMissing(core, `clusterrolebindings.${RBAC}`, name, {
      kind: "ClusterRoleBinding",
      apiVersion: `${RBAC}/v1`,
      metadata: meta(name, { labels }),
      subjects: groups.map((group) => ({ kind: "Group", apiGroup: RBAC, name: group })),
      roleRef: { apiGroup: RBAC, kind: "ClusterRole", name },
    });
  }
  for (const name of NAMESPACES) {
    putMissing(core, "namespaces", name, {
      kind: "Namespace",
      apiVersion: "v1",
      metadata: meta(name, { labels: { "kubernetes.io/metadata.name": name } }),
      spec: { finalizers: ["kubernetes"] },
      status: { phase: "Active" },
    });
  }
}

function putMissing(
  core: Core,
  storage: string,
  key: string,
  object: Parameters<Core["store"]["put"]>[2],
): void {
  if (core.store.get(storage, key) === undefined) core.store.put(storage, key, object);
}
