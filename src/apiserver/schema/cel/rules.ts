import { isJsonObject, sameJson } from "../../object.ts";
import type { Cause } from "../../status/status.ts";
import { oldField, oldItem } from "../correlate.ts";
import { childPath, kindOf, shown } from "../go-value.ts";
import { fieldSchema, type Schema, type ValidationRule } from "../schema.ts";
import { optionalValue } from "./functions.ts";
import { compileProgram, type Program } from "./program.ts";
import { celValue } from "./values.ts";

export interface RuleFindings {
  readonly causes: Cause[];
  /** Rules that were broken before and still are where nothing changed: told, not refused. */
  readonly warnings: string[];
}

/**
 * Runs the CEL rules of a schema over a value, an object's own rules before those of its fields. Rules that speak of
 * oldSelf run only where there is an old value (or with optionalOldSelf).
 *
 * @param oldRoot the whole value before an update, undefined on create
 */
export function ruleFindings(value: unknown, schema: Schema, oldRoot: unknown, path: string): RuleFindings {
  const findings: RuleFindings = { causes: [], warnings: [] };
  if (hasRules(schema)) walk(value, schema, oldRoot, path, findings, oldRoot === undefined);
  return findings;
}

const withRules = new WeakMap<Schema, boolean>();

/** Is there a rule anywhere in the schema? Most subtrees have none, and are not walked. */
export function hasRules(schema: Schema): boolean {
  const known = withRules.get(schema);
  if (known !== undefined) return known;
  withRules.set(schema, false);
  const below = [
    ...Object.values(schema.properties ?? {}),
    ...(typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : []),
    ...(schema.items === undefined ? [] : [schema.items]),
  ];
  const found = (schema["x-kubernetes-validations"]?.length ?? 0) > 0 || below.map(hasRules).includes(true);
  withRules.set(schema, found);
  return found;
}

function walk(
  value: unknown,
  schema: Schema,
  old: unknown,
  path: string,
  findings: RuleFindings,
  creating: boolean,
): void {
  if (!hasRules(schema) || value === null) return;
  const rules = schema["x-kubernetes-validations"] ?? [];
  const unchanged = !creating && old !== undefined && sameJson(value, old);
  for (const rule of rules) {
    const cause = ruleCause(rule, value, schema, old, path);
    if (cause === undefined) continue;
    if (unchanged) findings.warnings.push(`${cause.field}: ${cause.message}`);
    else findings.causes.push(cause);
  }
  if (Array.isArray(value)) {
    const items = schema.items;
    if (items === undefined) return;
    for (const [index, item] of value.entries()) {
      walk(item, items, oldItem(old, item, schema), childPath(path, index), findings, creating);
    }
    return;
  }
  if (!isJsonObject(value)) return;
  for (const key of Object.keys(value).sort()) {
    const field = fieldSchema(schema, key);
    if (field === undefined) continue;
    walk(value[key], field, oldField(old, key), childPath(path, key), findings, creating);
  }
}

function ruleCause(
  rule: ValidationRule,
  value: unknown,
  schema: Schema,
  old: unknown,
  path: string,
): Cause | undefined {
  const program = compiled(rule.rule);
  if (program === undefined) return undefined;
  if (program.usesOldSelf && old === undefined && rule.optionalOldSelf !== true) return undefined;
  const oldValue = old === undefined ? undefined : celValue(old, schema);
  const variables = {
    self: celValue(value, schema),
    oldSelf: rule.optionalOldSelf === true ? optionalValue(oldValue) : (oldValue ?? null),
  };
  const outcome = program.run(variables);
  if ("error" in outcome) {
    const text = `${outcome.error} evaluating rule: ${rule.message?.trim() || rule.rule.trim()}`;
    return {
      reason: "FieldValueInvalid",
      message: `Invalid value: ${shown(kindOf(value).type)}: ${text}`,
      field: path === "" ? "<nil>" : path,
    };
  }
  if (outcome.value === true) return undefined;
  return failure(rule, value, message(rule, variables), path);
}

function message(rule: ValidationRule, variables: Parameters<Program["run"]>[0]): string {
  if (rule.messageExpression !== undefined && rule.messageExpression !== "") {
    const outcome = compiled(rule.messageExpression)?.run(variables);
    if (outcome !== undefined && "value" in outcome && typeof outcome.value === "string") {
      const text = outcome.value.trim();
      if (text !== "" && !text.includes("\n")) return text;
    }
  }
  return rule.message?.trim() || `failed rule: ${rule.rule.trim()}`;
}

function failure(rule: ValidationRule, value: unknown, text: string, path: string): Cause {
  const at = rule.fieldPath === undefined ? path : joined(path, rule.fieldPath);
  const field = at === "" ? "<nil>" : at;
  const structured = Array.isArray(value) || isJsonObject(value);
  switch (rule.reason) {
    case "FieldValueForbidden":
      return { reason: rule.reason, message: `Forbidden: ${text}`, field };
    case "FieldValueRequired":
      return { reason: rule.reason, message: `Required value: ${text}`, field };
    case "FieldValueDuplicate":
      return { reason: rule.reason, message: `Duplicate value: ${shown(value)}`, field };
    default:
      return {
        reason: "FieldValueInvalid",
        message: structured ? `Invalid value: ${text}` : `Invalid value: ${shown(value)}: ${text}`,
        field,
      };
  }
}

/** A rule's fieldPath (`.keys`, `['x.y']`, `.a.b`) below a field, as a message shows it. */
function joined(path: string, fieldPath: string): string {
  const relative = fieldPath.replaceAll(/\['([^']*)'\]/g, (_whole, name: string) =>
    /^[A-Za-z_][\w-]*$/.test(name) ? `.${name}` : `[${name}]`,
  );
  return path === "" ? relative.replace(/^\./, "") : `${path}${relative}`;
}

/** Rules are checked when the CRD is accepted: one that does not parse here never refuses an object. */
function compiled(text: string): Program | undefined {
  try {
    return compileProgram(text);
  } catch {
    return undefined;
  }
}
