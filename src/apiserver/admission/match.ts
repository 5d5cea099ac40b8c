/** Which requests a ValidatingAdmissionPolicy, or one of its bindings, looks at. */

import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { matchesLabelSelector } from "../selectors/labels.ts";
import type { AdmissionAttempt } from "../verbs/core.ts";

/**
 * @param constraints MatchResources: rules for resources, selectors for namespace and object
 * @param namespace the Namespace of the object; undefined for objects that live in none
 */
export function matchesResources(
  constraints: JsonObject,
  attempt: AdmissionAttempt,
  namespace: KubeObject | undefined,
): boolean {
  const included = rulesOf(constraints["resourceRules"]);
  const excluded = rulesOf(constraints["excludeResourceRules"]);
  if (excluded.some((rule) => ruleMatches(rule, attempt))) return false;
  if (included.length > 0 && !included.some((rule) => ruleMatches(rule, attempt))) return false;
  const home = attempt.definition.storage === "namespaces" ? attempt.object : namespace;
  const bySpace = constraints["namespaceSelector"];
  if (isJsonObject(bySpace) && home !== undefined && !matchesLabelSelector(bySpace, home.metadata.labels)) {
    return false;
  }
  const byObject = constraints["objectSelector"];
  if (!isJsonObject(byObject)) return true;
  return [attempt.object, attempt.old].some(
    (object) => object !== undefined && matchesLabelSelector(byObject, object.metadata.labels),
  );
}

function rulesOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function ruleMatches(rule: JsonObject, attempt: AdmissionAttempt): boolean {
  const { definition, subresource, operation, object } = attempt;
  const resource = subresource === "" ? definition.plural : `${definition.plural}/${subresource}`;
  const has = (field: string, value: string): boolean => {
    const list = rule[field];
    return Array.isArray(list) && list.some((item) => item === "*" || item === value);
  };
  const resources = Array.isArray(rule["resources"]) ? rule["resources"] : [];
  const named =
    resources.includes(resource) ||
    resources.includes("*/*") ||
    (subresource === "" ? resources.includes("*") : resources.includes(`*/${subresource}`)) ||
    (subresource !== "" && resources.includes(`${definition.plural}/*`));
  const names = Array.isArray(rule["resourceNames"]) ? rule["resourceNames"] : [];
  const scope = rule["scope"] ?? "*";
  return (
    has("operations", operation.toUpperCase()) &&
    has("apiGroups", definition.group) &&
    has("apiVersions", definition.version) &&
    named &&
    (names.length === 0 || names.includes(object.metadata.name)) &&
    (scope === "*" || (scope === "Namespaced") === definition.namespaced)
  );
}

/** The constraints of a policy or a binding. */
export function constraintsOf(object: KubeObject, field: "matchConstraints" | "matchResources"): JsonObject {
  return child(child(object, "spec"), field);
}
