/** Printer columns of the built-in kinds. */

import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import type { TableShape } from "../resources/definition.ts";
import { AGE, age, CREATED_AT_TABLE, column, NAME, nameAndAge } from "./columns.ts";

const count = (value: unknown): number => Object.keys((value ?? {}) as object).length;

const TABLES: Record<string, TableShape> = {
  secrets: {
    columns: [
      NAME,
      column(
        "Type",
        "Used to facilitate programmatic handling of secret data. More info: https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
      ),
      column(
        "Data",
        "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The serialized form of the secret data is a base64 encoded string, representing the arbitrary (possibly non-string) data value here. Described in https://tools.ietf.org/html/rfc4648#section-4",
      ),
      AGE,
    ],
    cells: (object, now) => nameAndAge(object, now, object["type"] ?? "", count(object["data"])),
  },
  configmaps: {
    columns: [
      NAME,
      column(
        "Data",
        "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with the keys in the BinaryData field, this is enforced during validation process.",
      ),
      AGE,
    ],
    cells: (object, now) => nameAndAge(object, now, count(object["data"]) + count(object["binaryData"])),
  },
  namespaces: {
    columns: [NAME, column("Status", "The status of the namespace"), AGE],
    cells: (object, now) => nameAndAge(object, now, child(object, "status")["phase"] ?? ""),
  },
  serviceaccounts: { columns: [NAME, AGE], cells: (object, now) => nameAndAge(object, now) },
  pods: {
    columns: [
      NAME,
      column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
      column("Status", "The aggregate status of the containers in this pod."),
      column(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
      ),
      AGE,
      column(
        "IP",
        "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.",
        1,
      ),
      column(
        "Node",
        "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled on a specific node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename",
        1,
      ),
      column(
        "Nominated Node",
        "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away as preemption victims receive their graceful termination periods. This field does not guarantee that the pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. Scheduler may also decide to give the resources on this node to a higher priority pod that is created after preemption. As a result, this field may be different than PodSpec.nodeName when the pod is scheduled.",
        1,
      ),
      column(
        "Readiness Gates",
        'If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are ready AND all conditions specified in the readiness gates have status equal to "True" More info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates',
        1,
      ),
    ],
    cells: podCells,
  },
  events: {
    columns: [
      column("Last Seen", "The time at which the most recent occurrence of this event was recorded."),
      column("Type", "Type of this event (Normal, Warning), new types could be added in the future"),
      column(
        "Reason",
        "This should be a short, machine understandable string that gives the reason for the transition into the object's current status.",
      ),
      column("Object", "The object that this event is about."),
      column(
        "Subobject",
        'If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is to a container within a pod, this would take on a value like: "spec.containers{name}" (where "name" refers to the name of the container that triggered the event) or if no container name is specified "spec.containers[2]" (container with index 2 in this pod). This syntax is chosen only to have some well-defined way of referencing a part of an object.',
        1,
      ),
      column(
        "Source",
        "The component reporting this event. Should be a short machine understandable string.",
        1,
      ),
      column("Message", "A human-readable description of the status of this operation."),
      column(
        "First Seen",
        "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)",
        1,
      ),
      column("Count", "The number of times this event has occurred.", 1),
      { ...NAME, priority: 1 },
    ],
    cells: eventCells,
  },
  "deployments.apps": {
    columns: [
      NAME,
      column("Ready", "Number of the pod with ready state"),
      column(
        "Up-to-date",
        "Total number of non-terminating pods targeted by this deployment that have the desired template spec.",
      ),
      column(
        "Available",
        "Total number of available non-terminating pods (ready for at least minReadySeconds) targeted by this deployment.",
      ),
      AGE,
      column("Containers", "Names of each container in the template.", 1),
      column("Images", "Images referenced by each container in the template.", 1),
      column(
        "Selector",
        "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones affected by this deployment. It must match the pod template's labels.",
        1,
      ),
    ],
    cells: (object, now) => {
      const status = child(object, "status");
      const spec = child(object, "spec");
      const number = (value: unknown): number => (typeof value === "number" ? value : 0);
      const containers = objects(child(child(spec, "template"), "spec")["containers"]);
      return [
        ...nameAndAge(
          object,
          now,
          `${number(status["readyReplicas"])}/${number(spec["replicas"])}`,
          number(status["updatedReplicas"]),
          number(status["availableReplicas"]),
        ),
        containers.map((item) => item["name"]).join(","),
        containers.map((item) => item["image"]).join(","),
        Object.entries(child(child(spec, "selector"), "matchLabels"))
          .map(([key, value]) => `${key}=${String(value)}`)
          .join(","),
      ];
    },
  },
};

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function podCells(object: KubeObject, now: number): unknown[] {
  const spec = child(object, "spec");
  const status = child(object, "status");
  const states = objects(status["containerStatuses"]);
  const ready = states.filter((state) => state["ready"] === true).length;
  const restarts = states.reduce((sum, state) => sum + Number(state["restartCount"] ?? 0), 0);
  const waiting = states
    .map((state) => child(child(state, "state"), "waiting")["reason"])
    .find((reason) => reason !== undefined);
  const phase = waiting ?? status["reason"] ?? status["phase"] ?? "";
  const shown = object.metadata.deletionTimestamp === undefined ? phase : "Terminating";
  const none = (value: unknown): unknown => (value === undefined || value === "" ? "<none>" : value);
  return [
    ...nameAndAge(object, now, `${ready}/${objects(spec["containers"]).length}`, shown, String(restarts)),
    none(status["podIP"]),
    none(spec["nodeName"]),
    none(status["nominatedNodeName"]),
    "<none>",
  ];
}

function eventCells(object: KubeObject, now: number): unknown[] {
  const about = child(object, "involvedObject");
  const series = child(object, "series");
  const first = object["firstTimestamp"] ?? object["eventTime"] ?? object.metadata.creationTimestamp;
  const last = series["lastObservedTime"] ?? object["lastTimestamp"] ?? first;
  const source = child(object, "source");
  const component = source["component"] ?? object["reportingComponent"] ?? "";
  const host = source["host"] ?? object["reportingInstance"];
  const name = String(about["name"] ?? "");
  return [
    age(last, now),
    object["type"] ?? "",
    object["reason"] ?? "",
    `${String(about["kind"] ?? "").toLowerCase()}${name === "" ? "" : `/${name}`}`,
    about["fieldPath"] ?? "",
    host === undefined || host === "" ? component : `${String(component)}, ${String(host)}`,
    typeof object["message"] === "string" ? object["message"].trim() : "",
    age(first, now),
    series["count"] ?? (object["count"] === undefined || object["count"] === 0 ? 1 : object["count"]),
    object.metadata.name ?? "",
  ];
}

export function tableOf(group: string, plural: string): TableShape {
  const key = group === "" || group === "events.k8s.io" ? plural : `${plural}.${group}`;
  return TABLES[key] ?? CREATED_AT_TABLE;
}
