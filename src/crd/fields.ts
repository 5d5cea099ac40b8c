/**
 * Building blocks of the schemas. A schema here has two lives: valibot checks objects with it, and the structural
 * schema of the CRD is generated from it, so every block is one that both can express.
 */

import * as v from "valibot";

/** RFC 1123 subdomain, as names of Secrets and most objects are. */
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * The path grammar (src/path/path.ts) without lookahead, which the API server's regular expressions lack: a segment
 * begins with a letter, digit or '-', or with dots that something else follows.
 */
const SEGMENT = "([A-Za-z0-9-][A-Za-z0-9._-]*|\\.[A-Za-z0-9_-][A-Za-z0-9._-]*|\\.\\.[A-Za-z0-9._-]+)";
export const PATH_PATTERN = new RegExp(`^${SEGMENT}(/${SEGMENT})*$`);
/** As `MAX_PATH_BYTES`; a path is ASCII, so characters are bytes. */
export const MAX_PATH = 128;

/** Keywords that go into the CRD beside the description, e.g. `format` and the `x-kubernetes-` ones. */
export type Keywords = Readonly<Record<string, unknown>>;

/** The schema with its description, which `kubectl explain` shows. */
export function described<S extends v.GenericSchema>(schema: S, description: string, keywords?: Keywords) {
  return v.pipe(schema, v.metadata({ description, ...keywords }));
}

export function text(description: string, maxLength = 1024) {
  return described(v.pipe(v.string(), v.maxLength(maxLength)), description);
}

export function nonEmptyText(description: string, maxLength = 1024) {
  return described(v.pipe(v.string(), v.minLength(1), v.maxLength(maxLength)), description);
}

export function flag(description: string) {
  return described(v.boolean(), description);
}

/** A whole number that a double holds exactly. */
export function integer(description: string, minimum?: number, maximum?: number) {
  const low = minimum ?? Number.MIN_SAFE_INTEGER;
  const high = maximum ?? Number.MAX_SAFE_INTEGER;
  const wide = high > 2 ** 31 - 1;
  return described(v.pipe(v.number(), v.integer(), v.minValue(low), v.maxValue(high)), description, {
    format: wide ? "int64" : "int32",
  });
}

export function choice<const O extends readonly [string, ...string[]]>(options: O, description: string) {
  return described(v.picklist(options), description);
}

/** RFC 3339. */
export function time(description: string) {
  return described(v.string(), description, { format: "date-time" });
}

export function objectName(description: string) {
  return described(
    v.pipe(v.string(), v.minLength(1), v.maxLength(253), v.regex(SUBDOMAIN, "must be a DNS subdomain")),
    description,
  );
}

export function path(description: string) {
  return described(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(MAX_PATH),
      v.regex(PATH_PATTERN, "must be segments of letters, digits, '.', '_' and '-', joined by '/'"),
    ),
    description,
  );
}

/** Name of one value in a Secret. */
export function secretKey(description: string) {
  return described(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(253),
      v.regex(/^[-._a-zA-Z0-9]+$/, "must be a key of a Secret: letters, digits, '-', '_' and '.'"),
    ),
    description,
  );
}

export type StringMap = Readonly<Record<string, string>>;

/**
 * A map of strings that keeps every key: valibot's own `record` drops `constructor` and `prototype`, which are
 * lawful names of labels.
 */
export function stringMap(description: string) {
  const isMap = (input: unknown): boolean =>
    typeof input === "object" &&
    input !== null &&
    !Array.isArray(input) &&
    Object.values(input).every((value) => typeof value === "string");
  return described(v.custom<StringMap>(isMap, "must be a map of strings"), description, {
    type: "object",
    additionalProperties: { type: "string" },
  });
}

/** A list whose items are told apart by `keys`, for server-side apply and unique by them. */
export function listByKey<S extends v.GenericSchema>(
  item: S,
  keys: readonly [string, ...string[]],
  maxItems: number,
  description: string,
) {
  return described(v.pipe(v.array(item), v.maxLength(maxItems)), description, {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": keys,
  });
}

export function setOf<S extends v.GenericSchema>(item: S, maxItems: number, description: string) {
  return described(v.pipe(v.array(item), v.maxLength(maxItems)), description, {
    "x-kubernetes-list-type": "set",
  });
}

/** Conditions in the usual form of the Kubernetes API conventions. */
export function conditions(types: string) {
  const condition = described(
    v.object({
      type: described(
        v.pipe(v.string(), v.maxLength(316), v.regex(/^[A-Za-z][A-Za-z0-9]*$/)),
        "What it is about.",
      ),
      status: choice(["True", "False", "Unknown"], "Whether it holds."),
      reason: described(
        v.pipe(
          v.string(),
          v.minLength(1),
          v.maxLength(1024),
          v.regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/),
        ),
        "One word in CamelCase for programs.",
      ),
      message: text("One sentence for people. Never holds a value.", 32768),
      lastTransitionTime: time("When the status last changed."),
      observedGeneration: v.optional(integer("The metadata.generation that it speaks of.", 0)),
    }),
    "One condition.",
  );
  return listByKey(condition, ["type"], 16, `Conditions: ${types}.`);
}

/** CEL rules of an object (`x-kubernetes-validations`). */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

/**
 * A field that never changes once the object is there. The rule sits on the object, because a rule on an optional
 * field does not run when the field comes or goes.
 */
export function immutable(field: string): Rule {
  return {
    rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
    message: `${field} is immutable: delete the object and create it anew`,
    fieldPath: `.${field}`,
  };
}
