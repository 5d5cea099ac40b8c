import type { Schema } from "../schema/schema.ts";
import { ATOMIC_MODELS, PROPERTY_EXTENSIONS } from "./extensions.ts";
import { MODELS } from "./models.generated.ts";

/** A schema that may refer to another model by name. */
export type Model = Omit<Schema, "properties" | "items" | "additionalProperties"> & {
  readonly $ref?: string;
  readonly "x-micro-time"?: boolean;
  readonly properties?: Readonly<Record<string, Model>>;
  readonly items?: Model;
  readonly additionalProperties?: Model;
};

const PACKAGES: Readonly<Record<string, string>> = {
  "": "io.k8s.api.core",
  "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
  "admissionregistration.k8s.io": "io.k8s.api.admissionregistration",
  "authentication.k8s.io": "io.k8s.api.authentication",
  "authorization.k8s.io": "io.k8s.api.authorization",
  "coordination.k8s.io": "io.k8s.api.coordination",
  "events.k8s.io": "io.k8s.api.events",
  "networking.k8s.io": "io.k8s.api.networking",
  "rbac.authorization.k8s.io": "io.k8s.api.rbac",
};

export const OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
export const LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/** The model's name in OpenAPI documents; undefined for kinds that are not built in. */
export function modelName(group: string, version: string, kind: string): string | undefined {
  const name = `${PACKAGES[group] ?? `io.k8s.api.${group}`}.${version}.${kind}`;
  return Object.hasOwn(MODELS, name) ? name : undefined;
}

/** A model with its extensions, references unresolved; undefined when there is none of that name. */
export function modelOf(name: string): Model | undefined {
  const model = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (model === undefined) return undefined;
  const extensions = PROPERTY_EXTENSIONS[name];
  const whole = ATOMIC_MODELS.has(name) ? { "x-kubernetes-map-type": "atomic" as const } : {};
  if (extensions === undefined) return { ...model, ...whole };
  const properties = Object.fromEntries(
    Object.entries(model.properties ?? {}).map(([key, property]) => [
      key,
      { ...property, ...(extensions[key] as Partial<Model> | undefined) },
    ]),
  );
  return { ...model, ...whole, properties };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
const resolved = new Map<string, Mutable<Schema>>();

/** The schema of a built-in kind with every reference resolved; undefined for kinds that are not built in. */
export function builtinSchema(group: string, version: string, kind: string): Schema | undefined {
  const name = modelName(group, version, kind);
  return name === undefined ? undefined : resolve(name);
}

/** The schema of a model by its full name. */
export function resolve(name: string): Schema {
  const known = resolved.get(name);
  if (known !== undefined) return known;
  const model = modelOf(name);
  if (model === undefined) throw new Error(`no model ${name}`);
  // Entered before its parts, for JSONSchemaProps refers to itself.
  const schema: Mutable<Schema> = {};
  resolved.set(name, schema);
  Object.assign(schema, inlined(model));
  return schema;
}

function inlined(model: Model): Schema {
  const { $ref, properties, items, additionalProperties, ...rest } = model;
  if ($ref !== undefined) {
    const { description, ...own } = rest;
    const target = resolve($ref);
    return Object.keys(own).length === 0 ? target : { ...target, ...own };
  }
  return {
    ...rest,
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([key, property]) => [key, inlined(property)]),
          ),
        }),
    ...(items === undefined ? {} : { items: inlined(items) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: inlined(additionalProperties) }),
  };
}
