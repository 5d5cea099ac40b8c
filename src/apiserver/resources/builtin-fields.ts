/** Fields by which built-in kinds can be selected, besides name and namespace. */

import { METADATA_FIELDS, type SelectableFields } from "../selectors/fields.ts";

const paths = (...fields: string[]): [string, string[]][] => fields.map((field) => [field, field.split(".")]);

const EVENT_REFERENCE = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

const FIELDS: Record<string, [string, string[]][]> = {
  secrets: paths("type"),
  namespaces: paths("status.phase"),
  nodes: paths("spec.unschedulable"),
  pods: [
    ...paths(
      "spec.nodeName",
      "spec.restartPolicy",
      "spec.schedulerName",
      "spec.serviceAccountName",
      "spec.hostNetwork",
      "status.phase",
      "status.podIP",
      "status.nominatedNodeName",
    ),
  ],
  services: paths("spec.clusterIP", "spec.type"),
  events: [
    ...paths(...EVENT_REFERENCE.map((field) => `involvedObject.${field}`), "reason", "type"),
    ["reportingComponent", ["reportingComponent"]],
    ["source", ["source", "component"]],
  ],
  "events.events.k8s.io": [
    ...paths(
      ...EVENT_REFERENCE.map((field) => `regarding.${field}`),
      "reason",
      "type",
      "reportingController",
    ),
  ],
  "replicasets.apps": paths("status.replicas"),
  "deployments.apps": [],
};

export function fieldsOf(group: string, plural: string): SelectableFields {
  const own = FIELDS[group === "" ? plural : `${plural}.${group}`];
  return own === undefined || own.length === 0 ? METADATA_FIELDS : new Map([...METADATA_FIELDS, ...own]);
}
