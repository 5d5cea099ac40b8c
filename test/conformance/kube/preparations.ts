/**
 * What the stories of the recordings made without recording it (the README of the recordings lists it), by story.
 * `start` is carried out before the first step, `before` in front of one step, `during` while one step runs.
 */

import type { Json } from "./recording.ts";

export type Action =
  | {
      readonly kind: "request";
      readonly method: "POST" | "PATCH" | "DELETE";
      readonly path: string;
      readonly body?: Json;
      /** Binds a placeholder, e.g. `uid:8`, to the uid of the answer. */
      readonly bindUid?: string;
    }
  | { readonly kind: "bindRevision"; readonly name: string }
  | {
      readonly kind: "bindContinue";
      readonly name: string;
      readonly revision: number;
      readonly start: string;
    };

export interface Preparation {
  readonly start?: readonly Action[];
  /** By exchange id, e.g. `lists 64`. */
  readonly before?: Readonly<Record<string, readonly Action[]>>;
  readonly during?: Readonly<Record<string, readonly Action[]>>;
}

type Fields = { readonly [key: string]: Json };

const CORE = "/api/v1";
const HSM = "/apis/hsm.j5t.io/v1alpha1";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";

function post(
  base: string,
  namespace: string,
  plural: string,
  kind: string,
  name: string,
  fields: Fields = {},
): Action {
  const { metadata, ...rest } = fields;
  const apiVersion = base.replace(/^\/apis?\//, "");
  return {
    kind: "request",
    method: "POST",
    path: `${base}/namespaces/${namespace}/${plural}`,
    body: { apiVersion, kind, metadata: { name, ...(metadata as Fields | undefined) }, ...rest },
  };
}

const secret = (namespace: string, name: string, fields: Fields = {}): Action =>
  post(CORE, namespace, "secrets", "Secret", name, fields);
const configMap = (namespace: string, name: string, fields: Fields = {}): Action =>
  post(CORE, namespace, "configmaps", "ConfigMap", name, fields);
const hsmSecret = (namespace: string, name: string, spec: Fields = {}): Action =>
  post(HSM, namespace, "hsmsecrets", "HSMSecret", name, { spec });
const pod = (namespace: string, name: string): Action =>
  post(CORE, namespace, "pods", "Pod", name, { spec: { containers: [{ name: "c", image: "busybox" }] } });
const labels = (values: Fields): Fields => ({ metadata: { labels: values } });
const remove = (path: string): Action => ({ kind: "request", method: "DELETE", path });
const mergePatch = (path: string, body: Fields): Action => ({ kind: "request", method: "PATCH", path, body });

function role(namespace: string, name: string, subject: Fields, rules: Json, withRole = true): Action[] {
  const binding = post(RBAC, namespace, "rolebindings", "RoleBinding", name, {
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
    subjects: [subject],
  });
  return withRole ? [post(RBAC, namespace, "roles", "Role", name, { rules }), binding] : [binding];
}

const LOW: Fields = { kind: "User", name: "low", apiGroup: "rbac.authorization.k8s.io" };

const deployment = (namespace: string, name: string, template: Fields, more: Fields = {}): Action =>
  post("/apis/apps/v1", namespace, "deployments", "Deployment", name, {
    spec: {
      replicas: 0,
      ...more,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: template },
    },
  });

const event = (namespace: string, name: string, involved: Fields, fields: Fields): Action =>
  post(CORE, namespace, "events", "Event", name, { involvedObject: { namespace, ...involved }, ...fields });

const ODD_UID = "00000000-0000-0000-0000-00000000000a";

export const PREPARATIONS: Readonly<Record<string, Preparation>> = {
  "crud/delete-options": {
    start: [
      ...["a", "b", "c", "d", "e", "f", "g"].map((name) => secret("crud-del", name, labels({ k: name }))),
    ],
  },
  "crud/delete-collection": {
    start: [
      secret("crud-coll", "a", labels({ g: "1" })),
      secret("crud-coll", "b", labels({ g: "1" })),
      secret("crud-coll", "c", labels({ g: "2" })),
      secret("crud-coll", "fin", { metadata: { labels: { g: "1" }, finalizers: ["x.io/f"] } }),
    ],
  },
  "lists/partial-metadata": { start: [secret("lists-meta", "a"), hsmSecret("lists-meta", "h")] },
  "lists/label-selectors": {
    start: [
      configMap("lists-label", "a", labels({ app: "x", env: "prod" })),
      configMap("lists-label", "b", labels({ app: "x", env: "dev" })),
      configMap("lists-label", "c", labels({ app: "y" })),
      configMap("lists-label", "d"),
    ],
    before: {
      "lists 22": [
        secret("lists-label", "n1", labels({ v: "1" })),
        secret("lists-label", "n5", labels({ v: "5" })),
        secret("lists-label", "nabc", labels({ v: "abc" })),
      ],
    },
  },
  "lists/field-selectors": {
    start: [
      secret("lists-field", "a", { type: "example.com/x" }),
      secret("lists-field", "b"),
      pod("lists-field", "p1"),
      event(
        "lists-field",
        "e1",
        { kind: "Pod", name: "p1", uid: ODD_UID },
        {
          reason: "Re1",
          type: "Normal",
          source: { component: "c" },
        },
      ),
      event(
        "lists-field",
        "e2",
        { kind: "Secret", name: "s1", uid: ODD_UID },
        {
          reason: "Re2",
          type: "Normal",
          source: { component: "c" },
        },
      ),
      hsmSecret("lists-field", "h1"),
    ],
  },
  "lists/paging": {
    start: [
      ...["a", "b", "c"].map((name) => secret("lists-page", name, labels({ x: "1" }))),
      ...["d", "e"].map((name) => secret("lists-page", name, labels({ x: "2" }))),
      ...["a", "b", "c"].map((name) => hsmSecret("lists-page", name)),
    ],
    before: {
      "lists 64": [secret("lists-page", "bb", labels({ x: "2" }))],
      "lists 80": [
        // Revision 2 is before what a server that was restarted knows; the one under test begins later.
        { kind: "bindContinue", name: "continue:5", revision: 2, start: "b\u0000" },
      ],
    },
  },
  "lists/resource-version": {
    start: [secret("lists-rv", "a")],
    before: { "lists 85": [secret("lists-rv", "b")], "lists 104": [hsmSecret("lists-rv", "h")] },
  },
  "lists/tables": {
    start: [
      secret("lists-table", "a", { data: { x: "", y: "" } }),
      secret("lists-table", "b", { type: "example.com/x" }),
      pod("lists-table", "p1"),
      hsmSecret("lists-table", "h"),
      configMap("lists-table", "c", { data: { a: "1" } }),
    ],
    before: {
      "lists 119": [
        event(
          "lists-table",
          "e",
          { kind: "Pod", name: "p1" },
          {
            reason: "R",
            message: "m",
            type: "Normal",
            count: 1,
            firstTimestamp: "2020-01-01T00:00:00Z",
            lastTimestamp: "2020-01-01T00:00:00Z",
            source: { component: "c" },
          },
        ),
      ],
      "lists 120": [
        deployment(
          "lists-table",
          "d",
          {
            containers: [
              {
                name: "c",
                image: "nginx:1",
                ports: [{ containerPort: 80 }],
                env: [{ name: "A", value: "1" }],
              },
            ],
          },
          { paused: true },
        ),
      ],
    },
  },
  "watch/initial": {
    start: [
      configMap("watch-init", "a", { data: { a: "1" } }),
      configMap("watch-init", "b", { data: { a: "1" } }),
    ],
  },
  "watch/bookmarks": { start: [configMap("watch-bm", "a", { data: { a: "1" } })] },
  "watch/old-rv": { start: [configMap("watch-old", "a", { data: { a: "1" } })] },
  "watch/selectors": { start: [pod("watch-sel", "p")] },
  "patch/merge-patch": { start: [secret("patch-merge", "s", { data: { a: "MQ==", b: "Mg==" } })] },
  "patch/strategic-deployment": {
    start: [
      deployment("patch-smp", "a", {
        containers: [
          { name: "c", image: "nginx:1", ports: [{ containerPort: 80 }], env: [{ name: "A", value: "1" }] },
          { name: "side", image: "side:1" },
        ],
        volumes: [
          { name: "v", emptyDir: {} },
          { name: "w", secret: { secretName: "s" } },
        ],
        tolerations: [{ key: "a", operator: "Exists" }],
      }),
      pod("patch-smp", "a"),
    ],
  },
  "crd/tables": {
    start: [
      hsmSecret("crd-tab", "t2"),
      hsmSecret("crd-tab", "t1", { hsmPath: "a/b" }),
      mergePatch(`${HSM}/namespaces/crd-tab/hsmsecrets/t1/status`, {
        status: {
          syncStatus: "InSync",
          hsmGeneration: 3,
          lastSyncTime: "2020-01-01T00:00:00Z",
          secretRef: { name: "s" },
        },
      }),
    ],
  },
  "lifecycle/block-owner-deletion": {
    start: role("life-bod", "secrets", LOW, [{ apiGroups: [""], resources: ["secrets"], verbs: ["*"] }]),
  },
  "auth/rbac": {
    start: [secret("auth-rbac", "a"), secret("auth-rbac", "b"), hsmSecret("auth-rbac", "h")],
    before: {
      "auth 66": role("auth-rbac", "adm", LOW, [
        { apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles", "rolebindings"], verbs: ["*"] },
      ]),
      "auth 80": role("auth-rbac", "st", LOW, [], false),
    },
  },
  "auth/tokens": {
    before: {
      "auth 101": [
        {
          kind: "request",
          method: "POST",
          path: `${CORE}/namespaces/auth-tok/pods`,
          bindUid: "uid:8",
          body: {
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "p" },
            spec: { containers: [{ name: "c", image: "i" }], serviceAccountName: "op" },
          },
        },
      ],
      "auth 108": role("auth-tok", "r", { kind: "ServiceAccount", name: "op", namespace: "auth-tok" }, [
        { apiGroups: [""], resources: ["secrets"], verbs: ["list"] },
      ]),
      "auth 120": [remove(`${CORE}/namespaces/auth-tok/pods/p`)],
      "auth 122": [remove(`${CORE}/namespaces/auth-tok/serviceaccounts/op`)],
    },
  },
  "auth/legacy-token": { start: [post(CORE, "auth-leg", "serviceaccounts", "ServiceAccount", "op")] },
  "kubectl/get": {
    before: {
      "kubectl 14": [
        mergePatch(`${HSM}/namespaces/kc-get/hsmsecrets/a/status`, {
          status: {
            syncStatus: "InSync",
            hsmGeneration: 2,
            secretRef: { name: "a" },
            conditions: [
              {
                type: "Ready",
                status: "True",
                reason: "InSync",
                message: "fine",
                lastTransitionTime: "2020-01-01T00:00:00Z",
              },
            ],
          },
        }),
      ],
      "kubectl 34": [
        event(
          "kc-get",
          "e",
          { kind: "HSMSecret", name: "a", apiVersion: "hsm.j5t.io/v1alpha1", uid: "<uid:2>" },
          {
            reason: "Synced",
            message: "fine",
            type: "Normal",
            source: { component: "op" },
            count: 1,
            firstTimestamp: "2026-01-01T00:00:00Z",
            lastTimestamp: "2026-01-01T00:00:00Z",
          },
        ),
      ],
    },
    during: {
      "kubectl 32": [
        mergePatch(`${HSM}/namespaces/kc-get/hsmsecrets/a/status`, { status: { syncStatus: "Error" } }),
      ],
    },
  },
  "kubectl/change": {
    before: {
      "kubectl 95": [
        mergePatch(`${HSM}/namespaces/kc-chg/hsmsecrets/b`, { metadata: { finalizers: ["x.io/f"] } }),
      ],
    },
    during: {
      "kubectl 76": [
        mergePatch(`${HSM}/namespaces/kc-chg/hsmsecrets/a/status`, {
          status: {
            conditions: [
              {
                type: "Ready",
                status: "True",
                reason: "InSync",
                message: "m",
                lastTransitionTime: "2020-01-01T00:00:00Z",
              },
            ],
          },
        }),
      ],
      "kubectl 95": [mergePatch(`${HSM}/namespaces/kc-chg/hsmsecrets/b`, { metadata: { finalizers: null } })],
    },
  },
};
