/** ValidatingAdmissionPolicy: CEL expressions that refuse a create or an update where a binding says so. */

import type { CelInput } from "@bufbuild/cel";
import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { groupVersion, type ResourceDefinition } from "../resources/definition.ts";
import type { Registry } from "../resources/registry.ts";
import { celValue } from "../schema/cel/values.ts";
import { matchesLabelSelector } from "../selectors/labels.ts";
import { ApiError, forbidden } from "../status/status.ts";
import type { Store } from "../storage/store.ts";
import type { Admission, AdmissionAttempt } from "../verbs/core.ts";
import { evaluate, type PolicyVariables } from "./expression.ts";
import { constraintsOf, matchesResources } from "./match.ts";

const GROUP = "admissionregistration.k8s.io";
const POLICIES = `validatingadmissionpolicies.${GROUP}`;
const BINDINGS = `validatingadmissionpolicybindings.${GROUP}`;
const CODES: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  Invalid: 422,
  RequestEntityTooLarge: 413,
};

export function enforcePolicies(store: Store, registry: Registry): Admission {
  return (attempt) => {
    // Policies do not look at the objects that make them up.
    if (store.shelf(POLICIES).size === 0 || attempt.definition.group === GROUP) return;
    const home = store.get("namespaces", attempt.object.metadata.namespace ?? "")?.object;
    for (const { object: policy } of store.shelf(POLICIES).range("")) {
      if (!matchesResources(constraintsOf(policy, "matchConstraints"), attempt, home)) continue;
      for (const { object: binding } of store.shelf(BINDINGS).range("")) {
        if (child(binding, "spec")["policyName"] !== policy.metadata.name) continue;
        if (!matchesResources(constraintsOf(binding, "matchResources"), attempt, home)) continue;
        for (const params of paramsOf(store, registry, policy, binding, attempt)) {
          check(policy, binding, attempt, variablesOf(attempt, home, params));
        }
      }
    }
  };
}

interface Failure {
  readonly message: string;
  readonly reason: string;
}

function check(
  policy: KubeObject,
  binding: KubeObject,
  attempt: AdmissionAttempt,
  given: PolicyVariables,
): void {
  const spec = child(policy, "spec");
  const strict = (spec["failurePolicy"] ?? "Fail") === "Fail";
  const values = new Map<string, CelInput>();
  const variables: PolicyVariables = { ...given, variables: values };
  for (const condition of listOf(spec["matchConditions"])) {
    const result = evaluate(String(condition["expression"]), variables);
    if ("value" in result && result.value !== true) return;
    if ("error" in result && !strict) return;
  }
  for (const { name, expression } of listOf(spec["variables"])) {
    const result = evaluate(String(expression), variables);
    if ("value" in result) values.set(String(name), result.value as CelInput);
  }
  const actions = child(binding, "spec")["validationActions"];
  for (const validation of listOf(spec["validations"])) {
    const failure = failureOf(validation, variables, strict);
    if (failure === undefined) continue;
    const which = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}'`;
    if (Array.isArray(actions) && actions.includes("Warn")) {
      attempt.warnings.push(`Validation failed for ${which}: ${failure.message}`);
    }
    if (!Array.isArray(actions) || actions.includes("Deny")) {
      throw denied(attempt, `${which} denied request: ${failure.message}`, failure.reason);
    }
  }
}

function failureOf(validation: JsonObject, variables: PolicyVariables, strict: boolean): Failure | undefined {
  const expression = String(validation["expression"]);
  const result = evaluate(expression, variables);
  const reason = String(validation["reason"] ?? "Invalid");
  if ("error" in result) {
    if (!strict) return undefined;
    return { message: `expression '${expression}' resulted in error: ${result.error}`, reason: "Invalid" };
  }
  if (result.value === true) return undefined;
  const own = validation["messageExpression"];
  if (typeof own === "string" && own !== "") {
    const text = evaluate(own, variables);
    if ("value" in text && typeof text.value === "string" && text.value.trim() !== "") {
      return { message: text.value, reason };
    }
  }
  const message = String(validation["message"] ?? "");
  return { message: message === "" ? `failed expression: ${expression.trim()}` : message, reason };
}

function denied({ definition, object }: AdmissionAttempt, message: string, reason: string): ApiError {
  const base = forbidden(definition, object.metadata.name ?? "", message, [{ message }]);
  return new ApiError(CODES[reason] ?? 422, reason, base.message, base.details);
}

/** The parameters for which a binding asks; undefined stands for none. A binding whose parameters are missing may refuse. */
function paramsOf(
  store: Store,
  registry: Registry,
  policy: KubeObject,
  binding: KubeObject,
  attempt: AdmissionAttempt,
): (KubeObject | undefined)[] {
  const kind = child(policy, "spec")["paramKind"];
  const reference = child(binding, "spec")["paramRef"];
  if (!isJsonObject(kind) || !isJsonObject(reference)) return [undefined];
  const definition = registry.byKind(String(kind["apiVersion"]), String(kind["kind"]));
  const namespace = String(reference["namespace"] ?? attempt.object.metadata.namespace ?? "");
  const prefix = definition?.namespaced === true ? `${namespace}/` : "";
  const name = reference["name"];
  const found =
    definition === undefined
      ? []
      : [...store.shelf(definition.storage).range(prefix)]
          .map(({ object }) => object)
          .filter((object) =>
            typeof name === "string" && name !== ""
              ? object.metadata.name === name
              : matchesLabelSelector(reference["selector"], object.metadata.labels),
          );
  if (found.length > 0 || reference["parameterNotFoundAction"] === "Allow") return found;
  const which = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}'`;
  const why =
    "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
  throw denied(attempt, `${which} denied request: ${why}`, "Invalid");
}

function variablesOf(
  attempt: AdmissionAttempt,
  home: KubeObject | undefined,
  params: KubeObject | undefined,
): PolicyVariables {
  const { definition, operation, user, object, old, subresource, dryRun } = attempt;
  const shown = (value: KubeObject | undefined): CelInput =>
    value === undefined ? null : objectValue(value, definition);
  const { name = "", namespace = "" } = object.metadata;
  const { group, version, plural, kind } = definition;
  const request = {
    kind: { group, version, kind },
    resource: { group, version, resource: plural },
    subResource: subresource,
    name,
    namespace,
    operation: operation.toUpperCase(),
    userInfo: { username: user.name, uid: user.uid ?? "", groups: user.groups, extra: user.extra ?? {} },
    dryRun,
    options: {},
  };
  return {
    object: shown(object),
    oldObject: shown(old),
    request: celValue(request, undefined),
    params: params === undefined ? null : celValue(params, undefined),
    namespaceObject: home === undefined ? null : celValue(home, undefined),
    variables: new Map(),
  };
}

/** The schema of a custom resource does not describe kind, apiVersion and metadata; every policy may read them. */
function objectValue(object: KubeObject, definition: ResourceDefinition): CelInput {
  const { kind, metadata, apiVersion: _stored, ...rest } = object;
  const head = celValue({ kind, apiVersion: groupVersion(definition), metadata }, undefined);
  const body = celValue(rest, definition.codec.schema);
  return new Map([...(head as Map<string, CelInput>), ...(body as Map<string, CelInput>)]);
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
