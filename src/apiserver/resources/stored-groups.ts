/**
 * Groups of a real cluster that nothing here acts upon: their objects are kept as they come, so that clients which list
 * everything, and manifests which hold a little of everything, find what they expect.
 */

import type { Group } from "./builtin.ts";

/** The order in which kube-apiserver lists its groups. */
export const GROUP_ORDER: readonly string[] = [
  "",
  "apiregistration.k8s.io",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "node.k8s.io",
  "discovery.k8s.io",
  "resource.k8s.io",
  "flowcontrol.apiserver.k8s.io",
];

const HPA = {
  plural: "horizontalpodautoscalers",
  kind: "HorizontalPodAutoscaler",
  namespaced: true,
  shortNames: ["hpa"],
  categories: ["all"],
  status: true,
} as const;

export const STORED_GROUPS: readonly Group[] = [
  [
    "apiregistration.k8s.io",
    "v1",
    [
      {
        plural: "apiservices",
        kind: "APIService",
        namespaced: false,
        categories: ["api-extensions"],
        status: true,
      },
    ],
  ],
  ["autoscaling", "v2", [HPA]],
  // Kept apart from version 2, which has other fields.
  ["autoscaling", "v1", [{ ...HPA, storage: "horizontalpodautoscalers.v1.autoscaling" }]],
  [
    "batch",
    "v1",
    [
      {
        plural: "cronjobs",
        kind: "CronJob",
        namespaced: true,
        shortNames: ["cj"],
        categories: ["all"],
        status: true,
      },
      { plural: "jobs", kind: "Job", namespaced: true, categories: ["all"], status: true },
    ],
  ],
  [
    "certificates.k8s.io",
    "v1",
    [
      {
        plural: "certificatesigningrequests",
        kind: "CertificateSigningRequest",
        namespaced: false,
        shortNames: ["csr"],
        status: true,
      },
    ],
  ],
  [
    "storage.k8s.io",
    "v1",
    [
      { plural: "csidrivers", kind: "CSIDriver", namespaced: false },
      { plural: "csinodes", kind: "CSINode", namespaced: false },
      { plural: "csistoragecapacities", kind: "CSIStorageCapacity", namespaced: true },
      { plural: "storageclasses", kind: "StorageClass", namespaced: false, shortNames: ["sc"] },
      { plural: "volumeattachments", kind: "VolumeAttachment", namespaced: false, status: true },
    ],
  ],
  [
    "scheduling.k8s.io",
    "v1",
    [{ plural: "priorityclasses", kind: "PriorityClass", namespaced: false, shortNames: ["pc"] }],
  ],
  ["node.k8s.io", "v1", [{ plural: "runtimeclasses", kind: "RuntimeClass", namespaced: false }]],
  ["discovery.k8s.io", "v1", [{ plural: "endpointslices", kind: "EndpointSlice", namespaced: true }]],
  [
    "resource.k8s.io",
    "v1",
    [
      { plural: "deviceclasses", kind: "DeviceClass", namespaced: false },
      { plural: "resourceclaims", kind: "ResourceClaim", namespaced: true, status: true },
      { plural: "resourceclaimtemplates", kind: "ResourceClaimTemplate", namespaced: true },
      { plural: "resourceslices", kind: "ResourceSlice", namespaced: false },
    ],
  ],
  [
    "flowcontrol.apiserver.k8s.io",
    "v1",
    [
      { plural: "flowschemas", kind: "FlowSchema", namespaced: false, status: true },
      {
        plural: "prioritylevelconfigurations",
        kind: "PriorityLevelConfiguration",
        namespaced: false,
        status: true,
      },
    ],
  ],
];
