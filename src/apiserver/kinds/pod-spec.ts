/** Defaults and checks of pod specs, alone and in the templates of workloads. */

import { isJsonObject, type JsonObject } from "../object.ts";
import {
  type Cause,
  duplicate,
  forbiddenField,
  invalidValue,
  required,
  unsupported,
} from "../status/status.ts";
import { labelErrors } from "./names.ts";
import { canonicalQuantity } from "./quantity.ts";

/** Defaults that depend on other fields; plain ones stand in the schema. */
export function defaultPodSpec(spec: JsonObject): void {
  for (const container of containersOf(spec)) {
    container["imagePullPolicy"] ??= isLatest(String(container["image"] ?? "")) ? "Always" : "IfNotPresent";
    const resources = container["resources"];
    if (!isJsonObject(resources)) continue;
    for (const part of ["limits", "requests"]) {
      const amounts = resources[part];
      if (!isJsonObject(amounts)) continue;
      for (const [key, value] of Object.entries(amounts)) amounts[key] = canonicalQuantity(String(value));
    }
    // What is limited and not requested is requested as limited.
    const limits = resources["limits"];
    if (isJsonObject(limits)) {
      const requests = isJsonObject(resources["requests"]) ? resources["requests"] : {};
      resources["requests"] = { ...limits, ...requests };
    }
  }
  if (typeof spec["serviceAccountName"] === "string") spec["serviceAccount"] ??= spec["serviceAccountName"];
  else if (typeof spec["serviceAccount"] === "string") spec["serviceAccountName"] = spec["serviceAccount"];
}

export function containersOf(spec: JsonObject): JsonObject[] {
  return ["initContainers", "containers"].flatMap((key) => listOf(spec[key]));
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function isLatest(image: string): boolean {
  if (image.includes("@")) return false;
  const name = image.slice(image.lastIndexOf("/") + 1);
  return !name.includes(":") || name.endsWith(":latest");
}

export function podSpecErrors(spec: JsonObject, path: string): Cause[] {
  const causes: Cause[] = [];
  const containers = listOf(spec["containers"]);
  causes.push(...volumeErrors(listOf(spec["volumes"]), path));
  const volumes = new Set(listOf(spec["volumes"]).map(({ name }) => name));
  if (containers.length === 0) causes.push(required(`${path}.containers`));
  for (const key of ["containers", "initContainers"]) {
    for (const [index, container] of listOf(spec[key]).entries()) {
      const place = `${path}.${key}[${index}]`;
      causes.push(...containerErrors(container, place));
      for (const [at, mount] of listOf(container["volumeMounts"]).entries()) {
        if (!volumes.has(mount["name"]))
          causes.push(missing(`${place}.volumeMounts[${at}].name`, mount["name"]));
      }
    }
  }
  const policies = ["Always", "OnFailure", "Never"];
  if (!policies.includes(String(spec["restartPolicy"]))) {
    causes.push(unsupported(`${path}.restartPolicy`, spec["restartPolicy"], policies));
  }
  return causes;
}

/** In the order in which kube-apiserver looks at them: the second one found is the one that it reports. */
const VOLUME_SOURCES = [
  "emptyDir",
  "hostPath",
  "gitRepo",
  "gcePersistentDisk",
  "awsElasticBlockStore",
  "secret",
  "nfs",
  "iscsi",
  "glusterfs",
  "flexVolume",
  "configMap",
  "flocker",
  "persistentVolumeClaim",
  "rbd",
  "cinder",
  "cephfs",
  "downwardAPI",
  "fc",
  "azureFile",
  "vsphereVolume",
  "quobyte",
  "azureDisk",
  "storageos",
  "photonPersistentDisk",
  "projected",
  "portworxVolume",
  "scaleIO",
  "csi",
  "ephemeral",
  "image",
];

function volumeErrors(volumes: readonly JsonObject[], path: string): Cause[] {
  const causes: Cause[] = [];
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const place = `${path}.volumes[${index}]`;
    const [first, ...others] = VOLUME_SOURCES.filter((source) => volume[source] !== undefined);
    if (first === undefined) causes.push(required(place, "must specify a volume type"));
    for (const source of others) {
      causes.push(forbiddenField(`${place}.${source}`, "may not specify more than 1 volume type"));
    }
    const name = String(volume["name"] ?? "");
    if (name === "") causes.push(required(`${place}.name`));
    else causes.push(...labelErrors(name).map((why) => invalidValue(`${place}.name`, name, why)));
    if (names.has(name)) causes.push(duplicate(`${place}.name`, name));
    names.add(name);
  }
  return causes;
}

function missing(field: string, value: unknown): Cause {
  return { reason: "FieldValueNotFound", message: `Not found: ${JSON.stringify(value ?? "")}`, field };
}

function containerErrors(container: JsonObject, path: string): Cause[] {
  const causes: Cause[] = [];
  const name = String(container["name"] ?? "");
  if (name === "") causes.push(required(`${path}.name`));
  else causes.push(...labelErrors(name).map((why) => invalidValue(`${path}.name`, name, why)));
  if ((container["image"] ?? "") === "") causes.push(required(`${path}.image`));
  for (const [index, port] of listOf(container["ports"]).entries()) {
    const number = port["containerPort"];
    if (typeof number !== "number" || number < 1 || number > 65535) {
      causes.push(
        invalidValue(
          `${path}.ports[${index}].containerPort`,
          number ?? 0,
          "must be between 1 and 65535, inclusive",
        ),
      );
    }
  }
  const policies = ["Always", "IfNotPresent", "Never"];
  const policy = container["imagePullPolicy"];
  if (policy !== undefined && !policies.includes(String(policy))) {
    causes.push(unsupported(`${path}.imagePullPolicy`, policy, policies));
  }
  return causes;
}
