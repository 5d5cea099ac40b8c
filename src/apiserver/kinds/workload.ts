/** Deployments, DaemonSets, ReplicaSets and StatefulSets: defaults, selectors that fit their templates. */

import { child, isJsonObject, type JsonObject, type KubeObject, sameJson } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { type Cause, invalidValue, required } from "../status/status.ts";
import { subdomainErrors } from "./names.ts";
import { defaultPodSpec, podSpecErrors } from "./pod-spec.ts";

/** Written by the first version of the API, which counted the changes of the template. */
const TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";

const base: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: true,
  generation: "spec",
  separateStatus: true,
  prepareCreate: (object) => {
    object["status"] = {};
  },
  normalize: defaultTemplate,
  validate,
};

export const deploymentRules: KindRules = {
  ...base,
  normalize: (object) => {
    defaultTemplate(object);
    const strategy = child(child(object, "spec"), "strategy");
    if (strategy["type"] !== "RollingUpdate") return;
    strategy["rollingUpdate"] = {
      maxUnavailable: "25%",
      maxSurge: "25%",
      ...child(strategy, "rollingUpdate"),
    };
  },
};

export const daemonSetRules: KindRules = {
  ...base,
  prepareCreate: (object) => {
    const zeros = ["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"];
    object["status"] = Object.fromEntries(zeros.map((name) => [name, 0]));
  },
  normalize: (object) => {
    defaultTemplate(object);
    const { annotations } = object.metadata;
    if (annotations?.[TEMPLATE_GENERATION] === undefined)
      object.metadata.annotations = { ...annotations, [TEMPLATE_GENERATION]: "1" };
    const strategy = child(child(object, "spec"), "updateStrategy");
    if (strategy["type"] !== "RollingUpdate") return;
    strategy["rollingUpdate"] = { maxUnavailable: 1, maxSurge: 0, ...child(strategy, "rollingUpdate") };
  },
};

export const replicaSetRules: KindRules = {
  ...base,
  prepareCreate: (object) => {
    object["status"] = { replicas: 0 };
  },
};

export const statefulSetRules: KindRules = {
  ...base,
  prepareCreate: (object) => {
    object["status"] = { replicas: 0, availableReplicas: 0 };
  },
};

function defaultTemplate(object: KubeObject): void {
  const template = child(child(object, "spec"), "template");
  if (isJsonObject(template["spec"])) defaultPodSpec(template["spec"]);
}

function validate(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const spec = child(object, "spec");
  const causes: Cause[] = [];
  const selector = spec["selector"];
  if (!isJsonObject(selector)) causes.push(required("spec.selector"));
  const template = child(spec, "template");
  const labels = child(child(template, "metadata"), "labels");
  if (!matches(selector, labels)) {
    causes.push(
      invalidValue("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"),
    );
  }
  if (Number(spec["replicas"] ?? 0) < 0) {
    causes.push(invalidValue("spec.replicas", spec["replicas"], "must be greater than or equal to 0"));
  }
  causes.push(...podSpecErrors(child(template, "spec"), "spec.template.spec"));
  if (old !== undefined && !sameJson(selector, child(old, "spec")["selector"])) {
    causes.push(invalidValue("spec.selector", selector, "field is immutable"));
  }
  return causes;
}

function matches(selector: unknown, labels: JsonObject): boolean {
  if (!isJsonObject(selector)) return false;
  return Object.entries(child(selector, "matchLabels")).every(([key, value]) => labels[key] === value);
}
