import type { JsonObject } from "../../object.ts";
import { type Cause, invalidValue, required } from "../../status/status.ts";

const LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/** The names of a CRD: plural, singular and short names in lower case, kind and listKind in any. */
export function nameCauses(names: JsonObject): Cause[] {
  return [
    ...labelCauses(names["plural"], "spec.names.plural", true, ""),
    ...labelCauses(names["singular"], "spec.names.singular", false, ""),
    ...labelCauses(
      names["kind"],
      "spec.names.kind",
      true,
      "may have mixed case, but should otherwise match: ",
    ),
    ...list(names["shortNames"]).flatMap((name, index) =>
      labelCauses(name, `spec.names.shortNames[${index}]`, true, ""),
    ),
    ...labelCauses(
      names["listKind"],
      "spec.names.listKind",
      true,
      "may have mixed case, but should otherwise match: ",
    ),
    ...list(names["categories"]).flatMap((name, index) =>
      labelCauses(name, `spec.names.categories[${index}]`, true, ""),
    ),
    ...(names["kind"] !== undefined && names["kind"] === names["listKind"]
      ? [invalidValue("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")]
      : []),
  ];
}

function labelCauses(name: unknown, field: string, needed: boolean, mixedCase: string): Cause[] {
  if (typeof name !== "string" || name === "") return needed ? [required(field)] : [];
  const looked = mixedCase === "" ? name : name.toLowerCase();
  const causes: Cause[] = [];
  if (looked.length > 63)
    causes.push(invalidValue(field, name, `${mixedCase}must be no more than 63 characters`));
  if (!LABEL.test(looked)) causes.push(invalidValue(field, name, `${mixedCase}${LABEL_RULE}`));
  return causes;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
