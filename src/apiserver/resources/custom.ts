/** From a CustomResourceDefinition to the resources that it adds. */

import { subdomainErrors } from "../kinds/names.ts";
import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { asSchema, type Schema } from "../schema/schema.ts";
import { StructuralSchema } from "../schema/structural.ts";
import { METADATA_FIELDS, type SelectableFields } from "../selectors/fields.ts";
import { customTable } from "../table/custom.ts";
import type { Codec, KindRules, ResourceDefinition, SubresourceDefinition } from "./definition.ts";
import { openCodec } from "./open-codec.ts";

/** The order in which kube-apiserver lists the verbs of custom resources. */
const VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const STATUS_VERBS = ["get", "patch", "update"];

/** One resource for each served version. */
export function customResources(crd: KubeObject): ResourceDefinition[] {
  const spec = child(crd, "spec");
  return listOf(spec["versions"])
    .filter((version) => version["served"] === true)
    .map((version) => customResource(crd, version));
}

function customResource(crd: KubeObject, version: JsonObject): ResourceDefinition {
  const spec = child(crd, "spec");
  const accepted = child(child(crd, "status"), "acceptedNames");
  const names = Object.keys(accepted).length > 0 ? accepted : child(spec, "names");
  const group = String(spec["group"]);
  const kind = String(names["kind"]);
  const versionName = String(version["name"]);
  const subresources = child(version, "subresources");
  const hasStatus = isJsonObject(subresources["status"]);
  const extra: SubresourceDefinition[] = [];
  if (hasStatus) extra.push({ name: "status", kind, verbs: STATUS_VERBS });
  if (isJsonObject(subresources["scale"])) {
    extra.push({
      name: "scale",
      kind: "Scale",
      verbs: STATUS_VERBS,
      bodyGroup: "autoscaling",
      bodyVersion: "v1",
    });
  }
  const schema = asSchema(child(child(version, "schema"), "openAPIV3Schema"));
  const rules: KindRules = {
    nameErrors: subdomainErrors,
    unconditionalUpdate: false,
    generation: "all",
    separateStatus: hasStatus,
  };
  return {
    group,
    version: versionName,
    plural: String(names["plural"]),
    singular: String(names["singular"] ?? kind.toLowerCase()),
    kind,
    listKind: String(names["listKind"] ?? `${kind}List`),
    namespaced: spec["scope"] === "Namespaced",
    shortNames: stringsOf(names["shortNames"]),
    categories: stringsOf(names["categories"]),
    verbs: VERBS,
    subresources: extra,
    storage: `${String(names["plural"])}.${group}`,
    custom: true,
    fields: selectableFields(version),
    codec: customCodec(kind, `${group}/${versionName}`, schema),
    rules,
    table: customTable(version),
    ...conversion(spec, group, versionName),
  };
}

/** Strategy None: objects of other versions differ in their apiVersion only. */
function conversion(spec: JsonObject, group: string, version: string): Pick<ResourceDefinition, "convert"> {
  const versions = listOf(spec["versions"]);
  if (versions.length < 2) return {};
  const stored = versions.find((item) => item["storage"] === true) ?? {};
  const as = (name: string) => (object: KubeObject) => ({ ...object, apiVersion: `${group}/${name}` });
  return { convert: { fromStored: as(version), toStored: as(String(stored["name"])) } };
}

function selectableFields(version: JsonObject): SelectableFields {
  const own = listOf(version["selectableFields"]).map((field): [string, string[]] => {
    const path = String(field["jsonPath"]).replace(/^\./, "");
    return [path, path.split(".")];
  });
  return new Map([...METADATA_FIELDS, ...own]);
}

function customCodec(kind: string, apiVersion: string, schema: Schema): Codec {
  const open = openCodec(kind, apiVersion);
  const structural = new StructuralSchema(schema);
  return {
    schema,
    decode(body) {
      const { object, unknown } = open.decode(body);
      return { object, unknown: [...unknown, ...structural.prune(object)].sort() };
    },
    applyDefaults: (object) => structural.applyDefaults(object),
    validate: (object, old, part) => structural.validate(object, old, part),
  };
}

export function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

export function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
