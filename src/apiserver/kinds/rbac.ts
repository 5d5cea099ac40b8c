/** Roles and bindings: rules that say something, subjects of known kinds, a roleRef that stays. */

import { child, isJsonObject, type JsonObject, type KubeObject, sameJson } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { type Cause, invalidValue, required, unsupported } from "../status/status.ts";
import { pathSegmentErrors } from "./names.ts";

const GROUP = "rbac.authorization.k8s.io";
const base: KindRules = {
  nameErrors: pathSegmentErrors,
  unconditionalUpdate: true,
  generation: "none",
  separateStatus: false,
};

const listOf = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : []);
const isEmpty = (value: unknown): boolean => !Array.isArray(value) || value.length === 0;

export const roleRules: KindRules = {
  ...base,
  normalize: nullRules,
  validate: (role) => ruleErrors(role, true),
};
export const clusterRoleRules: KindRules = {
  ...base,
  normalize: nullRules,
  validate: (role) => ruleErrors(role, false),
};
export const bindingRules: KindRules = { ...base, normalize: defaultSubjects, validate: bindingErrors };

/** A role without rules shows them as null. */
function nullRules(role: KubeObject): void {
  if (isEmpty(role["rules"])) role["rules"] = null;
}

function ruleErrors(role: KubeObject, namespaced: boolean): Cause[] {
  return listOf(role["rules"]).flatMap((rule, index) => {
    const path = `rules[${index}]`;
    const causes: Cause[] = [];
    if (isEmpty(rule["verbs"]))
      causes.push(required(`${path}.verbs`, "verbs must contain at least one value"));
    if (!isEmpty(rule["nonResourceURLs"])) {
      if (namespaced) {
        const why = "namespaced rules cannot apply to non-resource URLs";
        causes.push(invalidValue(`${path}.nonResourceURLs`, rule["nonResourceURLs"], why));
      }
      return causes;
    }
    if (isEmpty(rule["apiGroups"])) {
      causes.push(required(`${path}.apiGroups`, "resource rules must supply at least one api group"));
    }
    if (isEmpty(rule["resources"])) {
      causes.push(required(`${path}.resources`, "resource rules must supply at least one resource"));
    }
    return causes;
  });
}

function defaultSubjects(binding: KubeObject): void {
  for (const subject of listOf(binding["subjects"])) {
    if (subject["kind"] !== "User" && subject["kind"] !== "Group") continue;
    if ((subject["apiGroup"] ?? "") === "") subject["apiGroup"] = GROUP;
  }
}

function bindingErrors(binding: KubeObject, old: KubeObject | undefined): Cause[] {
  const causes: Cause[] = [];
  const kinds = ["ServiceAccount", "User", "Group"];
  for (const [index, subject] of listOf(binding["subjects"]).entries()) {
    if (!kinds.includes(String(subject["kind"]))) {
      causes.push(unsupported(`subjects[${index}].kind`, subject["kind"], kinds));
    }
  }
  const reference = child(binding, "roleRef");
  if (old !== undefined && !sameJson(reference, child(old, "roleRef"))) {
    const shown = { APIGroup: reference["apiGroup"], Kind: reference["kind"], Name: reference["name"] };
    causes.push(invalidValue("roleRef", shown, "cannot change roleRef"));
  }
  return causes;
}
