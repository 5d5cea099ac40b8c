/** CustomResourceDefinition: names that follow from others, first status. Its schema is checked by the schema modules. */

import { child, isJsonObject, type KubeObject } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { type Cause, invalidValue } from "../status/status.ts";
import { subdomainErrors } from "./names.ts";

export const crdRules: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: false,
  generation: "spec",
  separateStatus: true,
  normalize,
  prepareCreate,
  validate,
};

function normalize(object: KubeObject): void {
  const spec = child(object, "spec");
  const names = spec["names"];
  if (isJsonObject(names) && typeof names["kind"] === "string") {
    spec["names"] = {
      ...names,
      singular: names["singular"] ?? names["kind"].toLowerCase(),
      listKind: names["listKind"] ?? `${names["kind"]}List`,
    };
  }
  spec["conversion"] ??= { strategy: "None" };
}

function prepareCreate(object: KubeObject): void {
  const versions = child(object, "spec")["versions"];
  const stored = (Array.isArray(versions) ? versions : [])
    .filter((version) => isJsonObject(version) && version["storage"] === true)
    .map((version) => (version as { name?: unknown }).name);
  object["status"] = {
    conditions: [],
    acceptedNames: { plural: "", kind: "" },
    storedVersions: stored,
  };
}

function validate(object: KubeObject): Cause[] {
  const spec = child(object, "spec");
  const expected = `${String(child(spec, "names")["plural"] ?? "")}.${String(spec["group"] ?? "")}`;
  const name = object.metadata.name ?? "";
  return name === expected
    ? []
    : [invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group')];
}
