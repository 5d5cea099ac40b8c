/**
 * What the generated models lack: list types and keys, merge keys of strategic patches, atomic maps and static
 * defaults of the built-in kinds, as in the OpenAPI document of Kubernetes 1.36. A list that is not named here is atomic
 * and is replaced whole.
 */

import type { Schema } from "../schema/schema.ts";

const CORE = "io.k8s.api.core.v1.";
const APPS = "io.k8s.api.apps.v1.";
const META = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";
const ADMISSION = "io.k8s.api.admissionregistration.v1.";

/** A list map whose strategic patch merges by the first key. */
const map = (...keys: [string, ...string[]]): Partial<Schema> => ({
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": keys,
  "x-kubernetes-patch-strategy": "merge",
  "x-kubernetes-patch-merge-key": keys[0],
});
const retained = (...keys: [string, ...string[]]): Partial<Schema> => ({
  ...map(...keys),
  "x-kubernetes-patch-strategy": "merge,retainKeys",
});
/** A list map without a strategy for patches. */
const plainMap = (...keys: [string, ...string[]]): Partial<Schema> => ({
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": keys,
});
const set: Partial<Schema> = { "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge" };
const atomicMap: Partial<Schema> = { "x-kubernetes-map-type": "atomic" };
const preset = (value: unknown): Partial<Schema> => ({ default: value });

const CONTAINER = {
  env: map("name"),
  ports: map("containerPort", "protocol"),
  volumeDevices: map("devicePath"),
  volumeMounts: map("mountPath"),
  resources: preset({}),
  terminationMessagePath: preset("/dev/termination-log"),
  terminationMessagePolicy: preset("File"),
} satisfies Record<string, Partial<Schema>>;

const conditions = { conditions: map("type") };
const mode = { defaultMode: preset(420) };

/** Extensions of properties, by model and property. */
export const PROPERTY_EXTENSIONS: Readonly<Record<string, Readonly<Record<string, Partial<Schema>>>>> = {
  [`${META}ObjectMeta`]: { finalizers: set, ownerReferences: map("uid") },
  [`${CORE}PodSpec`]: {
    containers: map("name"),
    initContainers: map("name"),
    ephemeralContainers: map("name"),
    volumes: retained("name"),
    imagePullSecrets: map("name"),
    hostAliases: map("ip"),
    topologySpreadConstraints: map("topologyKey", "whenUnsatisfiable"),
    schedulingGates: map("name"),
    resourceClaims: retained("name"),
    nodeSelector: atomicMap,
    restartPolicy: preset("Always"),
    terminationGracePeriodSeconds: preset(30),
    dnsPolicy: preset("ClusterFirst"),
    securityContext: preset({}),
    schedulerName: preset("default-scheduler"),
  },
  [`${CORE}Container`]: CONTAINER,
  [`${CORE}EphemeralContainer`]: CONTAINER,
  [`${CORE}ContainerPort`]: { protocol: preset("TCP") },
  [`${CORE}ResourceRequirements`]: { claims: plainMap("name") },
  [`${CORE}Probe`]: {
    timeoutSeconds: preset(1),
    periodSeconds: preset(10),
    successThreshold: preset(1),
    failureThreshold: preset(3),
  },
  [`${CORE}HTTPGetAction`]: { path: preset("/"), scheme: preset("HTTP") },
  [`${CORE}GRPCAction`]: { service: preset("") },
  [`${CORE}ObjectFieldSelector`]: { apiVersion: preset("v1") },
  [`${CORE}SecretVolumeSource`]: mode,
  [`${CORE}ConfigMapVolumeSource`]: mode,
  [`${CORE}DownwardAPIVolumeSource`]: mode,
  [`${CORE}ProjectedVolumeSource`]: mode,
  [`${CORE}ServiceAccountTokenProjection`]: { expirationSeconds: preset(3600) },
  [`${CORE}HostPathVolumeSource`]: { type: preset("") },
  [`${CORE}PodStatus`]: {
    ...conditions,
    hostIPs: { "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "ip" },
    podIPs: map("ip"),
    resourceClaimStatuses: retained("name"),
  },
  [`${CORE}ServiceSpec`]: {
    ports: map("port", "protocol"),
    selector: atomicMap,
    sessionAffinity: preset("None"),
    type: preset("ClusterIP"),
  },
  [`${CORE}ServicePort`]: { protocol: preset("TCP") },
  [`${CORE}ServiceStatus`]: conditions,
  [`${CORE}ServiceAccount`]: { secrets: map("name") },
  [`${CORE}EndpointPort`]: { protocol: preset("TCP") },
  [`${CORE}NamespaceStatus`]: conditions,
  [`${CORE}NodeSpec`]: { podCIDRs: set },
  [`${CORE}NodeStatus`]: { ...conditions, addresses: map("type") },
  [`${CORE}PersistentVolumeClaimStatus`]: conditions,
  [`${CORE}PersistentVolumeClaimSpec`]: { volumeMode: preset("Filesystem") },
  [`${CORE}Secret`]: { type: preset("Opaque") },
  [`${APPS}DeploymentSpec`]: {
    strategy: { "x-kubernetes-patch-strategy": "retainKeys", default: { type: "RollingUpdate" } },
    replicas: preset(1),
    revisionHistoryLimit: preset(10),
    progressDeadlineSeconds: preset(600),
  },
  [`${APPS}DeploymentStatus`]: conditions,
  [`${APPS}DaemonSetSpec`]: {
    updateStrategy: preset({ type: "RollingUpdate" }),
    revisionHistoryLimit: preset(10),
  },
  [`${APPS}DaemonSetStatus`]: conditions,
  [`${APPS}ReplicaSetSpec`]: { replicas: preset(1) },
  [`${APPS}ReplicaSetStatus`]: conditions,
  [`${APPS}StatefulSetSpec`]: {
    updateStrategy: preset({ type: "RollingUpdate" }),
    podManagementPolicy: preset("OrderedReady"),
    replicas: preset(1),
    revisionHistoryLimit: preset(10),
    persistentVolumeClaimRetentionPolicy: preset({ whenDeleted: "Retain", whenScaled: "Retain" }),
  },
  [`${APPS}StatefulSetStatus`]: conditions,
  "io.k8s.api.policy.v1.PodDisruptionBudgetSpec": { selector: { "x-kubernetes-patch-strategy": "replace" } },
  "io.k8s.api.policy.v1.PodDisruptionBudgetStatus": conditions,
  "io.k8s.api.networking.v1.NetworkPolicyPort": { protocol: preset("TCP") },
  [`${ADMISSION}ValidatingAdmissionPolicySpec`]: {
    matchConditions: map("name"),
    variables: map("name"),
    failurePolicy: preset("Fail"),
  },
  [`${ADMISSION}ValidatingAdmissionPolicyStatus`]: { conditions: plainMap("type") },
  [`${ADMISSION}MatchResources`]: {
    matchPolicy: preset("Equivalent"),
    namespaceSelector: preset({}),
    objectSelector: preset({}),
  },
  [`${ADMISSION}NamedRuleWithOperations`]: { scope: preset("*") },
  [`${ADMISSION}ValidatingWebhookConfiguration`]: { webhooks: map("name") },
  [`${ADMISSION}MutatingWebhookConfiguration`]: { webhooks: map("name") },
  [`${CRD}CustomResourceDefinitionStatus`]: { conditions: plainMap("type") },
  [`${CRD}JSONSchemaProps`]: { "x-kubernetes-validations": map("rule") },
};

/** Models that are owned and replaced as a whole. */
export const ATOMIC_MODELS: ReadonlySet<string> = new Set([
  `${META}LabelSelector`,
  `${META}OwnerReference`,
  ...[
    "ConfigMapKeySelector",
    "EndpointAddress",
    "EndpointPort",
    "FileKeySelector",
    "LocalObjectReference",
    "NodeSelector",
    "NodeSelectorTerm",
    "ObjectFieldSelector",
    "ObjectReference",
    "ResourceFieldSelector",
    "SecretKeySelector",
    "SecretReference",
    "TopologySelectorTerm",
    "TypedLocalObjectReference",
  ].map((name) => CORE + name),
  "io.k8s.api.rbac.v1.RoleRef",
  "io.k8s.api.rbac.v1.Subject",
  `${ADMISSION}MatchResources`,
  `${ADMISSION}NamedRuleWithOperations`,
  `${ADMISSION}ParamKind`,
  `${ADMISSION}ParamRef`,
]);
