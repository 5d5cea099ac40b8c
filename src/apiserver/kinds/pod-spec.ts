/** Defaults and checks of pod specs, alone and in the templates of workloads. */

import { isJsonObject, type JsonObject } from "../object.ts";
import { type Cause, invalidValue, required, unsupported } from "../status/status.ts";
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
  if (containers.length === 0) causes.push(required(`${path}.containers`));
  for (const key of ["containers", "initContainers"]) {
    for (const [index, container] of listOf(spec[key]).entries()) {
      causes.push(...containerErrors(container, `${path}.${key}[${index}]`));
    }
  }
  const policies = ["Always", "OnFailure", "Never"];
  if (!policies.includes(String(spec["restartPolicy"]))) {
    causes.push(unsupported(`${path}.restartPolicy`, spec["restartPolicy"], policies));
  }
  return causes;
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
