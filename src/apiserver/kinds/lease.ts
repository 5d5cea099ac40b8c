/** Lease: counts that cannot be negative, a spec that is always there. */

import { child, type KubeObject } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { type Cause, invalidValue } from "../status/status.ts";
import { subdomainErrors } from "./names.ts";

export const leaseRules: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: false,
  generation: "none",
  separateStatus: false,
  normalize: (object) => {
    object["spec"] ??= {};
  },
  validate,
};

function validate(object: KubeObject): Cause[] {
  const spec = child(object, "spec");
  const causes: Cause[] = [];
  const duration = spec["leaseDurationSeconds"];
  if (typeof duration === "number" && duration <= 0) {
    causes.push(invalidValue("spec.leaseDurationSeconds", duration, "must be greater than 0"));
  }
  const transitions = spec["leaseTransitions"];
  if (typeof transitions === "number" && transitions < 0) {
    causes.push(invalidValue("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
  }
  return causes;
}
