/** CustomResourceDefinition: names that follow from others, first status. Its schema is checked by the schema modules. */

import { child, isJsonObject, type KubeObject } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { crdCauses } from "../schema/crd/document.ts";
import { subdomainErrors } from "./names.ts";

export const crdRules: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: false,
  generation: "spec",
  separateStatus: true,
  normalize,
  prepareCreate,
  prepareUpdate: (object) => {
    // A version that becomes the stored one is remembered: objects may be kept in it from now on.
    const status = child(object, "status");
    const known = Array.isArray(status["storedVersions"]) ? status["storedVersions"] : [];
    const added = storageVersions(object).filter((name) => !known.includes(name));
    if (added.length > 0) object["status"] = { ...status, storedVersions: [...known, ...added] };
  },
  validate: crdCauses,
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
  object["status"] = {
    conditions: null,
    acceptedNames: { plural: "", kind: "" },
    storedVersions: storageVersions(object),
  };
}

function storageVersions(object: KubeObject): unknown[] {
  const versions = child(object, "spec")["versions"];
  return (Array.isArray(versions) ? versions : [])
    .filter((version) => isJsonObject(version) && version["storage"] === true)
    .map((version) => (version as { name?: unknown }).name);
}
