import { sameJson } from "../object.ts";
import type { Cause } from "../status/status.ts";
import { hasFormat } from "./formats.ts";
import { kindOf, shown } from "./go-value.ts";
import type { Schema } from "./schema.ts";

/** Where a value stands: `field` names it in the cause, `inBody` in the sentence. They differ below a status. */
export interface Place {
  readonly field: string;
  readonly inBody: string;
}

/** Type, format and enum: what makes the rules of CEL pointless when it fails, besides lengths. */
export function typeCauses(value: unknown, schema: Schema, place: Place): Cause[] {
  const types = schema["x-kubernetes-int-or-string"]
    ? ["integer", "string"]
    : schema.type === undefined
      ? []
      : [schema.type];
  if (types.length === 0) return [];
  const found = kindOf(value);
  if (found.type === "null") return schema.nullable ? [] : [wrongType(place, types.join(","), "null")];
  const format = schema.format ?? "";
  const numeric = types.includes("integer") || types.includes("number");
  const fits = types.includes(found.type) || (found.type === "integer" && types.includes("number"));
  const textual = found.type === "string" || found.type === "array";
  if (!textual && format !== "" && !fits) return [wrongType(place, format, found.format)];
  if (!numeric && format !== "" && textual) return [];
  return fits ? [] : [wrongType(place, types.join(","), found.type)];
}

export function enumCauses(value: unknown, schema: Schema, place: Place): Cause[] {
  if (schema.enum === undefined || schema.enum.some((allowed) => sameJson(allowed, value))) return [];
  const supported = schema.enum
    .map((allowed) => JSON.stringify(typeof allowed === "string" ? allowed : JSON.stringify(allowed)))
    .join(", ");
  return [
    {
      reason: "FieldValueNotSupported",
      message: `Unsupported value: ${shown(value)}: supported values: ${supported}`,
      field: place.field,
    },
  ];
}

export function stringCauses(text: string, schema: Schema, place: Place): Cause[] {
  const causes: Cause[] = [];
  const length = [...text].length;
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    causes.push({
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${schema.maxLength} bytes`,
      field: place.field,
    });
  }
  if (schema.minLength !== undefined && length < schema.minLength) {
    causes.push(invalid(place, text, `should be at least ${schema.minLength} chars long`));
  }
  if (schema.pattern !== undefined && !matches(schema.pattern, text)) {
    causes.push(invalid(place, text, `should match '${schema.pattern}'`));
  }
  return causes;
}

export function formatCauses(text: string, schema: Schema, place: Place): Cause[] {
  if (schema.format === undefined || schema.type === "integer" || schema.type === "number") return [];
  if (hasFormat(schema.format, text)) return [];
  return [
    {
      reason: "FieldValueTypeInvalid",
      message: `Invalid value: ${shown(text)}: ${place.inBody} in body must be of type ${schema.format}: ${JSON.stringify(text)}`,
      field: place.field,
    },
  ];
}

const INTEGER_RANGE: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

export function numberCauses(value: number | bigint, schema: Schema, place: Place): Cause[] {
  const causes: Cause[] = [];
  if (schema.type === "integer" && !isIntegerIn(value, schema.format ?? "int64")) {
    const type = schema.format === undefined ? "integer" : `integer with format ${schema.format}`;
    // The real server has no field for this one.
    causes.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: "": Checked value must be of type ${type} in ${place.inBody}`,
      field: "<nil>",
    });
  }
  const { multipleOf, maximum, minimum } = schema;
  if (multipleOf !== undefined && !isMultiple(Number(value), multipleOf)) {
    causes.push(invalid(place, value, `should be a multiple of ${multipleOf}`));
  }
  if (maximum !== undefined && (schema.exclusiveMaximum ? value >= maximum : value > maximum)) {
    causes.push(
      invalid(place, value, `should be less than ${schema.exclusiveMaximum ? "" : "or equal to "}${maximum}`),
    );
  }
  if (minimum !== undefined && (schema.exclusiveMinimum ? value <= minimum : value < minimum)) {
    causes.push(
      invalid(
        place,
        value,
        `should be greater than ${schema.exclusiveMinimum ? "" : "or equal to "}${minimum}`,
      ),
    );
  }
  return causes;
}

/** Counts of items or properties. */
export function countCauses(
  count: number,
  what: "items" | "properties",
  least: number | undefined,
  most: number | undefined,
  place: Place,
): Cause[] {
  const causes: Cause[] = [];
  if (least !== undefined && count < least) {
    causes.push(invalid(place, count, `should have at least ${least} ${what}`));
  }
  if (most !== undefined && count > most) {
    causes.push({
      reason: "FieldValueTooMany",
      message: `Too many: ${count}: must have at most ${most} items`,
      field: place.field,
    });
  }
  return causes;
}

export function required(field: string): Cause {
  return { reason: "FieldValueRequired", message: "Required value", field };
}

/** A failed combination (allOf, anyOf, oneOf, not); the real server names no field for it. */
export function combination(inBody: string, what: string): Cause {
  return {
    reason: "FieldValueInvalid",
    message: `Invalid value: "": ${JSON.stringify(inBody)} ${what}`,
    field: "<nil>",
  };
}

function invalid(place: Place, value: unknown, why: string): Cause {
  return {
    reason: "FieldValueInvalid",
    message: `Invalid value: ${shown(value)}: ${place.inBody} in body ${why}`,
    field: place.field,
  };
}

function wrongType(place: Place, expected: string, found: string): Cause {
  return {
    reason: "FieldValueTypeInvalid",
    message: `Invalid value: ${JSON.stringify(found)}: ${place.inBody} in body must be of type ${expected}: ${JSON.stringify(found)}`,
    field: place.field,
  };
}

function isIntegerIn(value: number | bigint, format: string): boolean {
  if (typeof value === "number" && !Number.isInteger(value)) return false;
  const [least, most] = INTEGER_RANGE[format] ?? INTEGER_RANGE["int64"] ?? [0n, 0n];
  const exact = BigInt(value);
  return exact >= least && exact <= most;
}

function isMultiple(value: number, of: number): boolean {
  const quotient = value / of;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.max(1, Math.abs(quotient));
}

const patterns = new Map<string, RegExp | undefined>();

/** A pattern in Go's syntax; one that this runtime cannot compile matches everything (the CRD was refused then). */
function matches(pattern: string, text: string): boolean {
  if (!patterns.has(pattern)) patterns.set(pattern, compilePattern(pattern));
  return patterns.get(pattern)?.test(text) ?? true;
}

/** The expression for a pattern in Go's syntax (RE2) where both syntaxes agree, else undefined. */
export function compilePattern(pattern: string): RegExp | undefined {
  const { flags, body } = leadingFlags(pattern);
  const source = body.replaceAll("\\A", "^").replaceAll("\\z", "$").replaceAll("(?P<", "(?<");
  for (const unicode of ["u", ""]) {
    try {
      return new RegExp(source, `${flags}${unicode}`);
    } catch {
      // An escape that the unicode mode forbids may still be lawful without it.
    }
  }
  return undefined;
}

function leadingFlags(pattern: string): { flags: string; body: string } {
  const match = /^\(\?([ims]+)\)/.exec(pattern);
  return { flags: match?.[1] ?? "", body: pattern.slice(match?.[0].length ?? 0) };
}
