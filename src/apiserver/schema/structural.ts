import type { KubeObject } from "../object.ts";
import type { Cause } from "../status/status.ts";
import { ruleFindings } from "./cel/rules.ts";
import { applyDefaults } from "./defaults.ts";
import { listTypeCauses } from "./list-types.ts";
import { pruneUnknown } from "./prune.ts";
import type { Schema } from "./schema.ts";
import { schemaCauses } from "./validate.ts";

export interface Findings {
  readonly causes: Cause[];
  readonly warnings: string[];
}

/** The schema of one version of a CustomResourceDefinition, at work on its objects. */
export class StructuralSchema {
  readonly schema: Schema;

  constructor(schema: Schema) {
    this.schema = schema;
  }

  /** Drops unknown fields in place and answers their paths. */
  prune(object: KubeObject): string[] {
    return pruneUnknown(object, this.schema, true);
  }

  /** Sets defaults and drops nulls that mean nothing, in place. */
  applyDefaults(object: KubeObject): void {
    applyDefaults(object, this.schema);
  }

  /**
   * Violations of types, limits, list types and CEL rules. CEL waits until the types are right: then the last cause
   * says so. With `old`, what was wrong before and did not change is let through.
   *
   * @param part `status` for a write of the status subresource: only that part is looked at by the schema
   */
  validate(object: KubeObject, old?: KubeObject, part?: "status"): Findings {
    const causes = part === "status" ? this.#statusCauses(object, old) : this.#objectCauses(object, old);
    if (causes.some((cause) => BLOCKING.has(cause.reason ?? ""))) {
      return { causes: [...causes, NOT_CHECKED], warnings: [] };
    }
    const rules = ruleFindings(object, this.schema, old, "");
    return { causes: [...causes, ...rules.causes], warnings: rules.warnings };
  }

  #objectCauses(object: KubeObject, old: KubeObject | undefined): Cause[] {
    return [
      ...schemaCauses(object, this.schema, old, { field: "", inBody: "" }),
      ...listTypeCauses(object, this.schema, old, ""),
    ];
  }

  #statusCauses(object: KubeObject, old: KubeObject | undefined): Cause[] {
    const schema = this.schema.properties?.["status"];
    const status = object["status"];
    if (schema === undefined || status === undefined) return [];
    return [
      ...schemaCauses(status, schema, old?.["status"], { field: "status", inBody: "" }),
      ...listTypeCauses(status, schema, old?.["status"], "status"),
    ];
  }
}

const BLOCKING = new Set([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);

const NOT_CHECKED: Cause = {
  reason: "FieldValueInvalid",
  message:
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
  field: "<nil>",
};
