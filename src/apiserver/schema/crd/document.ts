import { child, isJsonObject, type JsonObject, type KubeObject, sameJson } from "../../object.ts";
import { type Cause, invalidValue, required, unsupported } from "../../status/status.ts";
import { asSchema, type Schema } from "../schema.ts";
import { nameCauses } from "./names.ts";
import { ruleCauses } from "./rule-causes.ts";
import { structuralCauses } from "./structural-rules.ts";

const APPROVAL = "api-approved.kubernetes.io";
const COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"];

/**
 * Whether a CustomResourceDefinition can be accepted, with the causes in the order of a Kubernetes API server.
 * Its names, listKind and singular must have been completed, and status.storedVersions set.
 *
 * @param old the stored definition before an update
 */
export function crdCauses(crd: KubeObject, old?: KubeObject): Cause[] {
  const spec = child(crd, "spec");
  const versions = objects(spec["versions"]);
  const hoisted = sharesOneShape(versions);
  return [
    ...(old === undefined ? nameOfDocument(crd, spec) : []),
    ...groupCauses(crd, spec, old),
    ...immutableCauses(spec, old),
    ...versionCauses(versions),
    ...nameCauses(child(spec, "names")),
    ...versions.flatMap((version, index) =>
      hoisted && index > 0 ? [] : shapeCauses(version, hoisted ? undefined : index),
    ),
    ...storedVersionCauses(crd, versions),
  ];
}

function nameOfDocument(crd: KubeObject, spec: JsonObject): Cause[] {
  const expected = `${text(child(spec, "names")["plural"])}.${text(spec["group"])}`;
  const name = crd.metadata.name ?? "";
  return name === expected
    ? []
    : [invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group')];
}

function groupCauses(crd: KubeObject, spec: JsonObject, old: KubeObject | undefined): Cause[] {
  const group = text(spec["group"]);
  const causes: Cause[] = [];
  if (group === "") causes.push(required("spec.group"));
  else if (!group.includes("."))
    causes.push(invalidValue("spec.group", group, "should be a domain with at least one dot"));
  if (!["Cluster", "Namespaced"].includes(text(spec["scope"]))) {
    causes.push(unsupported("spec.scope", text(spec["scope"]), ["Cluster", "Namespaced"]));
  }
  const isProtected = /(^|\.)(k8s|kubernetes)\.io$/.test(group);
  if (old === undefined && isProtected && crd.metadata.annotations?.[APPROVAL] === undefined) {
    causes.push(
      required(
        `metadata.annotations[${APPROVAL}]`,
        `protected groups must have approval annotation "${APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111`,
      ),
    );
  }
  return causes;
}

function immutableCauses(spec: JsonObject, old: KubeObject | undefined): Cause[] {
  if (old === undefined) return [];
  const before = child(old, "spec");
  const changed = (field: string, now: unknown, then: unknown) =>
    now === then ? [] : [invalidValue(field, now, "field is immutable")];
  const established = objects(child(old, "status")["conditions"]).some(
    (condition) => condition["type"] === "Established" && condition["status"] === "True",
  );
  return [
    ...(established ? changed("spec.scope", spec["scope"], before["scope"]) : []),
    ...(established
      ? changed("spec.names.kind", child(spec, "names")["kind"], child(before, "names")["kind"])
      : []),
    ...changed("spec.group", spec["group"], before["group"]),
    ...changed("spec.names.plural", child(spec, "names")["plural"], child(before, "names")["plural"]),
  ];
}

function versionCauses(versions: readonly JsonObject[]): Cause[] {
  const stored = versions.filter((version) => version["storage"] === true).length;
  const causes: Cause[] = [];
  const names = versions.map((version) => text(version["name"]));
  for (const [index, version] of versions.entries()) {
    if (names.indexOf(names[index] ?? "") < index) {
      causes.push(
        invalidValue("spec.versions", shownVersions(versions), "must contain unique version names"),
      );
    }
    if (child(version, "schema")["openAPIV3Schema"] === undefined) {
      causes.push(required(`spec.versions[${index}].schema.openAPIV3Schema`));
    }
  }
  if (stored !== 1) {
    causes.push(
      invalidValue(
        "spec.versions",
        shownVersions(versions),
        "must have exactly one version marked as storage version",
      ),
    );
  }
  return causes;
}

/** Versions as the message dumps them: without what one version has moved to the top. */
function shownVersions(versions: readonly JsonObject[]): JsonObject[] {
  return versions.map((version) => ({
    Name: version["name"],
    Served: version["served"] ?? false,
    Storage: version["storage"] ?? false,
    Deprecated: version["deprecated"] ?? false,
    DeprecationWarning: version["deprecationWarning"] ?? null,
    Schema: null,
    Subresources: null,
    AdditionalPrinterColumns: null,
    SelectableFields: null,
  }));
}

/** Versions with one schema and one set of columns are spoken of as one, at the top of the spec. */
function sharesOneShape(versions: readonly JsonObject[]): boolean {
  const [first, ...rest] = versions;
  if (first === undefined) return false;
  const fields = ["schema", "subresources", "additionalPrinterColumns", "selectableFields"];
  return rest.every((version) =>
    fields.every((field) => sameJson(version[field] ?? null, first[field] ?? null)),
  );
}

function shapeCauses(version: JsonObject, index: number | undefined): Cause[] {
  const base = index === undefined ? "spec" : `spec.versions[${index}]`;
  const document = child(version, "schema")["openAPIV3Schema"];
  const causes = columnCauses(objects(version["additionalPrinterColumns"]), base);
  if (!isJsonObject(document)) return causes;
  const schema = asSchema(document);
  const path = index === undefined ? "spec.validation.openAPIV3Schema" : `${base}.schema.openAPIV3Schema`;
  const structural = structuralCauses(schema, path);
  return [
    ...causes,
    ...structural,
    ...(structural.length === 0 ? ruleCauses(schema, path) : []),
    ...selectableCauses(objects(version["selectableFields"]), schema, base),
  ];
}

function columnCauses(columns: readonly JsonObject[], base: string): Cause[] {
  return columns.flatMap((column, index) => {
    const at = `${base}.additionalPrinterColumns[${index}]`;
    const causes: Cause[] = [];
    const type = text(column["type"]);
    const path = text(column["jsonPath"]);
    if (text(column["name"]) === "") causes.push(required(`${at}.name`));
    if (type === "") causes.push(required(`${at}.type`, `must be one of ${COLUMN_TYPES.join(",")}`));
    else if (!COLUMN_TYPES.includes(type)) {
      causes.push(invalidValue(`${at}.type`, type, `must be one of ${COLUMN_TYPES.join(",")}`));
    }
    if (path === "") causes.push(required(`${at}.JSONPath`));
    else if (!path.startsWith(".")) {
      causes.push(invalidValue(`${at}.JSONPath`, path, "must be a simple json path starting with ."));
    }
    return causes;
  });
}

function selectableCauses(fields: readonly JsonObject[], schema: Schema, base: string): Cause[] {
  const seen = new Set<string>();
  return fields.flatMap((selectable, index) => {
    const at = `${base}.selectableFields[${index}].jsonPath`;
    const path = text(selectable["jsonPath"]);
    if (path === "") return [required(at)];
    if (seen.has(path))
      return [
        { reason: "FieldValueDuplicate", message: `Duplicate value: ${JSON.stringify(path)}`, field: at },
      ];
    seen.add(path);
    if (!/^(\.[A-Za-z_][\w-]*)+$/.test(path)) return [invalidValue(at, path, "is an invalid path")];
    let found: Schema | undefined = schema;
    for (const name of path.slice(1).split(".")) found = found?.properties?.[name];
    if (found === undefined || path.startsWith(".metadata")) {
      return [invalidValue(at, path, "is an invalid path: does not refer to a valid field")];
    }
    return ["string", "boolean", "integer"].includes(found.type ?? "")
      ? []
      : [
          invalidValue(
            at,
            path,
            "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
          ),
        ];
  });
}

function storedVersionCauses(crd: KubeObject, versions: readonly JsonObject[]): Cause[] {
  const stored = child(crd, "status")["storedVersions"];
  if (!Array.isArray(stored) || stored.length === 0) {
    return [invalidValue("status.storedVersions", null, "must have at least one stored version")];
  }
  const names = new Set(versions.map((version) => version["name"]));
  return stored.flatMap((name: unknown, index) =>
    names.has(name)
      ? []
      : [
          invalidValue(
            `status.storedVersions[${index}]`,
            name,
            `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
          ),
        ],
  );
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
