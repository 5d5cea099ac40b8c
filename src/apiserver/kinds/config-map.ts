/** ConfigMap: lawful keys, in data or in binaryData, up to 1 MiB, immutable when it says so. */

import { child, type KubeObject, sameJson } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { type Cause, forbiddenField, invalidValue, tooLong } from "../status/status.ts";
import { configKeyErrors, subdomainErrors } from "./names.ts";

const MAX_BYTES = 1024 * 1024;

export const configMapRules: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: true,
  generation: "none",
  separateStatus: false,
  validate,
};

function validate(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const causes: Cause[] = [];
  if (old?.["immutable"] === true) {
    const why = "field is immutable when `immutable` is set";
    if (object["immutable"] !== true) causes.push(forbiddenField("immutable", why));
    for (const field of ["data", "binaryData"]) {
      if (!sameJson(child(object, field), child(old, field))) causes.push(forbiddenField(field, why));
    }
  }
  const data = child(object, "data");
  const binary = child(object, "binaryData");
  let size = 0;
  for (const [key, value] of Object.entries(data)) {
    for (const why of configKeyErrors(key)) causes.push(invalidValue(`data[${key}]`, key, why));
    if (Object.hasOwn(binary, key)) {
      causes.push(invalidValue(`data[${key}]`, key, "duplicate of key present in binaryData"));
    }
    size += Buffer.byteLength(String(value));
  }
  for (const [key, value] of Object.entries(binary)) {
    for (const why of configKeyErrors(key)) causes.push(invalidValue(`binaryData[${key}]`, key, why));
    size += Buffer.byteLength(String(value), "base64");
  }
  if (size > MAX_BYTES) causes.push(tooLong("", MAX_BYTES));
  return causes;
}
