import { isJsonObject, type JsonObject } from "../object.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { Schema } from "../schema/schema.ts";
import { LIST_META, type Model, modelName, modelOf, OBJECT_META } from "./models.ts";

const FIELDS_V1 = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1";
const INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
export const DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
export const STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";

export { PATCH, TIME };

/** Types of which the models know only that they can be anything. */
const BASIC: Readonly<Record<string, JsonObject>> = {
  [FIELDS_V1]: {
    description: "FieldsV1 stores a set of fields in a data structure like a Trie, in JSON format.",
    type: "object",
  },
  [INT_OR_STRING]: {
    description:
      "IntOrString is a type that can hold an int32 or a string. This allows you to have, for example, a JSON field that can accept a name or number.",
    format: "int-or-string",
    oneOf: [{ type: "integer" }, { type: "string" }],
  },
  [TIME]: {
    description:
      "Time is a wrapper around time.Time which supports correct marshaling to YAML and JSON. Wrappers are provided for many of the factory methods that the time package offers.",
    format: "date-time",
    type: "string",
  },
  [PATCH]: {
    description: "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.",
    type: "object",
  },
};

type Kind = Pick<
  ResourceDefinition,
  "group" | "version" | "kind" | "listKind" | "plural" | "custom" | "codec"
>;

/** The name of a kind's schema in OpenAPI documents: the group backwards for those of CRDs. */
export function componentName({ group, version, kind }: Pick<Kind, "group" | "version" | "kind">): string {
  return modelName(group, version, kind) ?? `${group.split(".").reverse().join(".")}.${version}.${kind}`;
}

/** The schemas of a group's kinds and of everything that they refer to. `prefix` is where references point. */
export class Components {
  readonly #prefix: string;
  readonly #found = new Map<string, JsonObject>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  toJson(): JsonObject {
    return Object.fromEntries([...this.#found].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  reference(name: string): JsonObject {
    if (!this.#found.has(name)) this.#add(name);
    return { $ref: `${this.#prefix}${name}` };
  }

  addKind(resource: Kind): void {
    const { group, version, kind, listKind, plural } = resource;
    const name = componentName(resource);
    const identity = { "x-kubernetes-group-version-kind": [{ group, kind, version }] };
    const model = resource.custom ? undefined : modelOf(name);
    if (model !== undefined) {
      this.#found.set(name, {});
      this.#found.set(name, { ...this.#written(model), ...identity });
    } else {
      this.#found.set(name, { ...this.#customSchema(resource.codec.schema ?? {}), ...identity });
    }
    this.#found.set(componentName({ group, version, kind: listKind }), {
      description: `${listKind} is a list of ${kind}`,
      type: "object",
      required: ["items"],
      properties: {
        ...this.#identityFields(),
        items: {
          description: `List of ${plural}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md`,
          type: "array",
          items: { $ref: `${this.#prefix}${name}` },
        },
        metadata: this.#described(
          LIST_META,
          "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
        ),
      },
      "x-kubernetes-group-version-kind": [{ group, kind: listKind, version }],
    });
  }

  #customSchema(schema: Schema): JsonObject {
    const published = withAlternatives(schema);
    return {
      ...published,
      properties: {
        ...published.properties,
        ...this.#identityFields(),
        metadata: this.#described(
          OBJECT_META,
          "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
        ),
      },
    };
  }

  #identityFields(): JsonObject {
    const { apiVersion, kind } = modelOf("io.k8s.api.core.v1.Secret")?.properties ?? {};
    return { apiVersion, kind };
  }

  #described(name: string, description: string): JsonObject {
    return { description, allOf: [this.reference(name)] };
  }

  #add(name: string): void {
    const basic = BASIC[name];
    if (basic !== undefined) {
      this.#found.set(name, basic);
      return;
    }
    const model = modelOf(name);
    // Entered before its parts: models may refer to themselves.
    this.#found.set(name, {});
    this.#found.set(name, model === undefined ? { type: "object" } : this.#written(model));
  }

  #written(model: Model): JsonObject {
    const { $ref, properties, items, additionalProperties, ...own } = model;
    const { "x-micro-time": _micro, ...rest } = own;
    if ($ref !== undefined) {
      const reference = this.reference($ref);
      return Object.keys(rest).length === 0 ? reference : { ...rest, allOf: [reference] };
    }
    if (model["x-kubernetes-int-or-string"] === true) {
      const { "x-kubernetes-int-or-string": _mark, format: _format, ...text } = rest;
      return { ...text, allOf: [this.reference(INT_OR_STRING)] };
    }
    const { "x-kubernetes-preserve-unknown-fields": _open, ...known } = rest;
    return {
      ...known,
      ...(properties === undefined ? {} : { properties: this.#fields(properties) }),
      ...(items === undefined ? {} : { items: this.#written(items) }),
      ...(additionalProperties === undefined
        ? {}
        : { additionalProperties: this.#written(additionalProperties) }),
    };
  }

  #fields(properties: Readonly<Record<string, Model>>): JsonObject {
    return Object.fromEntries(
      Object.entries(properties).map(([key, property]) => {
        const written = this.#written(property);
        return [key, key === "fieldsV1" ? { ...written, allOf: [this.reference(FIELDS_V1)] } : written];
      }),
    );
  }
}

const INTEGER_OR_STRING = [{ type: "integer" }, { type: "string" }];

/** A CRD's schema with its int-or-string fields spelled out for readers who do not know the extension. */
function withAlternatives(schema: Schema): Schema {
  const { properties, items, additionalProperties } = schema;
  const mixed =
    schema["x-kubernetes-int-or-string"] === true && schema.anyOf === undefined && schema.allOf === undefined;
  return {
    ...schema,
    ...(mixed ? { anyOf: INTEGER_OR_STRING } : {}),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([key, property]) => [key, withAlternatives(property)]),
          ),
        }),
    ...(items === undefined ? {} : { items: withAlternatives(items) }),
    ...(typeof additionalProperties === "object"
      ? { additionalProperties: withAlternatives(additionalProperties) }
      : {}),
  };
}

/** The same schemas in the dialect of Swagger 2: no nullable, no oneOf, references without company. */
export function toSwagger(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(toSwagger);
  if (!isJsonObject(schema)) return schema;
  const { nullable, oneOf, anyOf, not, allOf, default: _default, ...rest } = schema;
  const [only] = Array.isArray(allOf) ? allOf : [];
  const reference = isJsonObject(only) && typeof only["$ref"] === "string" ? { $ref: only["$ref"] } : {};
  const loose = [nullable, oneOf, anyOf, not].some((keyword) => keyword !== undefined);
  const written = Object.fromEntries(
    Object.entries({ ...rest, ...reference }).map(([key, value]) => [
      key,
      key === "properties" && isJsonObject(value)
        ? Object.fromEntries(Object.entries(value).map(([name, property]) => [name, toSwagger(property)]))
        : toSwagger(value),
    ]),
  );
  // Swagger 2 cannot say it: the type is left open, as the real document does.
  if (loose && nullable === true) delete written["type"];
  if ("format" in written && written["format"] === "int-or-string") written["type"] = "string";
  return written;
}
