import { type Cause, forbiddenField, invalidValue, required, unsupported } from "../../status/status.ts";
import { hasRules } from "../cel/rules.ts";
import type { Schema, ValidationRule } from "../schema.ts";
import { expressionFacts, maxElements } from "./rule-check.ts";
import { parts } from "./structural-rules.ts";

const EXPRESSION_BUDGET = 10_000_000;
const TOTAL_BUDGET = 100_000_000;
const HINT =
  "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";
const REASONS = ["FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate"];

interface Walk {
  readonly causes: Cause[];
  /** Fields whose cost alone is past the budget of the whole. */
  readonly spenders: string[];
  total: number;
}

/** Faults of the CEL rules of a CRD's schema. */
export function ruleCauses(schema: Schema, path: string): Cause[] {
  const walk: Walk = { causes: [], spenders: [], total: 0 };
  visit(schema, path, { elements: 1, uncorrelatable: undefined }, walk);
  if (walk.total <= TOTAL_BUDGET) return walk.causes;
  const contributed = walk.spenders.map((field) =>
    forbiddenField(
      field,
      "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema",
    ),
  );
  const whole = `x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of ${factor(walk.total / TOTAL_BUDGET)} ${HINT}`;
  return [...walk.causes, ...contributed, forbiddenField(path, whole)];
}

interface Surroundings {
  /** How many times the node can occur in an object. */
  readonly elements: number;
  /** The list or map above whose items have no identity over time. */
  readonly uncorrelatable: string | undefined;
}

function visit(schema: Schema, path: string, around: Surroundings, walk: Walk): void {
  if (!hasRules(schema)) return;
  for (const part of parts(schema, path)) {
    const inList = part.position === "item";
    const listed = inList && schema["x-kubernetes-list-type"] !== "map";
    visit(
      part.schema,
      part.path,
      {
        elements:
          part.schema === schema.items || part.schema === schema.additionalProperties
            ? around.elements * maxElements(schema)
            : around.elements,
        uncorrelatable: around.uncorrelatable ?? (listed ? path : undefined),
      },
      walk,
    );
  }
  for (const [index, rule] of (schema["x-kubernetes-validations"] ?? []).entries()) {
    checkRule(rule, schema, `${path}.x-kubernetes-validations[${index}]`, around, walk);
  }
}

function checkRule(
  rule: ValidationRule,
  schema: Schema,
  path: string,
  around: Surroundings,
  walk: Walk,
): void {
  const field = `${path}.rule`;
  if ((rule.rule ?? "").trim() === "") {
    walk.causes.push(required(field, "rule is not specified"));
    return;
  }
  if (rule.message !== undefined && rule.message !== "" && rule.message.trim() === "") {
    walk.causes.push(invalidValue(`${path}.message`, rule.message, "message must be non-empty if specified"));
  }
  if (rule.reason !== undefined && !REASONS.includes(rule.reason)) {
    walk.causes.push(unsupported(`${path}.reason`, rule.reason, REASONS));
  }
  const facts = expressionFacts(rule.rule, schema);
  if (facts.fault !== undefined)
    walk.causes.push(ruleFault(field, rule, `compilation failed: ${facts.fault}`));
  else if (facts.type !== undefined && facts.type !== "bool") {
    walk.causes.push(ruleFault(field, rule, "cel expression must evaluate to a bool"));
  } else if (facts.usesOldSelf && around.uncorrelatable !== undefined) {
    const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${around.uncorrelatable}`;
    walk.causes.push(invalidValue(field, rule.rule, why));
  } else spend(field, "rule", facts.cost * around.elements, walk);

  if (rule.messageExpression === undefined || rule.messageExpression === "") return;
  const messageField = `${path}.messageExpression`;
  const message = expressionFacts(rule.messageExpression, schema);
  if (message.fault !== undefined) {
    walk.causes.push(ruleFault(messageField, rule, `messageExpression compilation failed: ${message.fault}`));
  } else if (message.type !== undefined && message.type !== "string" && message.type !== "unbounded") {
    walk.causes.push(ruleFault(messageField, rule, "messageExpression must evaluate to a string"));
  } else spend(messageField, "messageExpression", message.cost * around.elements, walk);
}

function spend(field: string, what: "messageExpression" | "rule", cost: number, walk: Walk): void {
  walk.total += cost;
  if (cost > EXPRESSION_BUDGET) {
    const by = factor(cost / EXPRESSION_BUDGET);
    walk.causes.push(
      forbiddenField(field, `estimated ${what} cost exceeds budget by factor of ${by} ${HINT}`),
    );
  }
  if (cost > TOTAL_BUDGET) walk.spenders.push(field);
}

function factor(times: number): string {
  return times > 100 ? "more than 100x" : `${times.toFixed(1)}x`;
}

function ruleFault(field: string, rule: ValidationRule, why: string): Cause {
  const shown = {
    Rule: rule.rule,
    Message: rule.message ?? "",
    MessageExpression: rule.messageExpression ?? "",
    Reason: rule.reason ?? null,
    FieldPath: rule.fieldPath ?? "",
    OptionalOldSelf: rule.optionalOldSelf ?? null,
  };
  return invalidValue(field, shown, why);
}
