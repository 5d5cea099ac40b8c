/** Field selectors: `metadata.name=a,type!=Opaque`; each resource says which fields it knows. */

import { isJsonObject, type KubeObject } from "../object.ts";
import { badRequest } from "../status/status.ts";

export interface FieldTerm {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
}

export type FieldSelector = readonly FieldTerm[];

/** Field name to where it stands in the object, e.g. `type` to `["type"]`. */
export type SelectableFields = ReadonlyMap<string, readonly string[]>;

export const METADATA_FIELDS: SelectableFields = new Map([
  ["metadata.name", ["metadata", "name"]],
  ["metadata.namespace", ["metadata", "namespace"]],
]);

export function parseFieldSelector(text: string): FieldSelector {
  if (text === "") return [];
  const terms: FieldTerm[] = [];
  // Kubernetes looks at the terms in sorted order, which decides what an error names.
  for (const part of splitTerms(text).sort()) {
    if (part === "") continue;
    const term = splitTerm(part);
    if (term === undefined) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    terms.push(term);
  }
  return terms;
}

/** Refuses fields that the resource does not know; resources without fields of their own word it differently. */
export function checkFields(selector: FieldSelector, known: SelectableFields): void {
  for (const { field } of selector) {
    if (known.has(field)) continue;
    if (known === METADATA_FIELDS) {
      throw badRequest(
        `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
      );
    }
    throw badRequest(`field label not supported: ${field}`);
  }
}

export function matchesFields(selector: FieldSelector, known: SelectableFields, object: KubeObject): boolean {
  return selector.every(({ field, value, negated }) => {
    const found = fieldText(object, known.get(field) ?? []);
    return (found === value) !== negated;
  });
}

/** The value that the selector demands of a field, e.g. the one name in `metadata.name=a`. */
export function demandedValue(selector: FieldSelector, field: string): string | undefined {
  return selector.find((term) => term.field === field && !term.negated)?.value;
}

function fieldText(object: unknown, path: readonly string[]): string {
  let value = object;
  for (const key of path) value = isJsonObject(value) ? value[key] : undefined;
  return value === undefined || value === null || typeof value === "object" ? "" : String(value);
}

function splitTerms(text: string): string[] {
  const parts: string[] = [];
  let current = "";
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === "\\") {
      current += char + text.charAt(at + 1);
      at += 1;
    } else if (char === ",") {
      parts.push(current);
      current = "";
    } else {
      current += char;
    }
  }
  return [...parts, current];
}

function splitTerm(part: string): FieldTerm | undefined {
  for (let at = 0; at < part.length; at += 1) {
    if (part.charAt(at) === "\\") {
      at += 1;
      continue;
    }
    const rest = part.slice(at);
    const operator = ["!=", "==", "="].find((symbol) => rest.startsWith(symbol));
    if (operator === undefined) continue;
    return {
      field: part.slice(0, at),
      value: part.slice(at + operator.length).replace(/\\([\\,=])/g, "$1"),
      negated: operator === "!=",
    };
  }
  return undefined;
}
