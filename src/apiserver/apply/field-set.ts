import { isJsonObject, type JsonObject } from "../object.ts";
import type { Schema } from "../schema/schema.ts";

/**
 * A step of a path as fieldsV1 writes it: `f:name` a field, `k:{"name":"c"}` a list item by its keys, `v:"x"` a set's
 * item, `i:0` an index.
 */
export type PathElement = string;

const ORDER = "fkvi";

/** Fields before keys before values before indexes, each by its text. */
function compareElements(a: PathElement, b: PathElement): number {
  const rank = ORDER.indexOf(a.charAt(0)) - ORDER.indexOf(b.charAt(0));
  return rank === 0 ? (a < b ? -1 : a > b ? 1 : 0) : rank;
}

export const field = (name: string): PathElement => `f:${name}`;

/** A set of paths: which are members here, and what lies below. Immutable but for `insert`. */
export class FieldSet {
  readonly #members: Set<PathElement>;
  readonly #children: Map<PathElement, FieldSet>;

  constructor(
    members: Iterable<PathElement> = [],
    children: Iterable<readonly [PathElement, FieldSet]> = [],
  ) {
    this.#members = new Set(members);
    this.#children = new Map();
    for (const [element, child] of children) if (!child.isEmpty()) this.#children.set(element, child);
  }

  /** From `{"f:spec": {".": {}, "f:a": {}}}`; what is no fieldsV1 is skipped. */
  static fromFieldsV1(fields: unknown): FieldSet {
    const set = new FieldSet();
    if (!isJsonObject(fields)) return set;
    for (const [element, below] of Object.entries(fields)) {
      if (element === ".") continue;
      const inner = isJsonObject(below) ? below : {};
      if (Object.keys(inner).length === 0 || "." in inner) set.#members.add(element);
      const child = FieldSet.fromFieldsV1(inner);
      if (!child.isEmpty()) set.#children.set(element, child);
    }
    return set;
  }

  toFieldsV1(): JsonObject {
    const elements = [...new Set([...this.#members, ...this.#children.keys()])].sort(compareElements);
    return Object.fromEntries(
      elements.map((element) => {
        const below = this.#children.get(element)?.toFieldsV1() ?? {};
        const both = this.#members.has(element) && Object.keys(below).length > 0;
        return [element, both ? { ".": {}, ...below } : below];
      }),
    );
  }

  isEmpty(): boolean {
    return this.#members.size === 0 && this.#children.size === 0;
  }

  insert(path: readonly PathElement[]): void {
    const [head, ...rest] = path;
    if (head === undefined) return;
    if (rest.length === 0) {
      this.#members.add(head);
      return;
    }
    let child = this.#children.get(head);
    if (child === undefined) {
      child = new FieldSet();
      this.#children.set(head, child);
    }
    child.insert(rest);
  }

  hasMember(element: PathElement): boolean {
    return this.#members.has(element);
  }

  /** What lies below an element; empty when nothing does. */
  below(element: PathElement): FieldSet {
    return this.#children.get(element) ?? EMPTY;
  }

  union(other: FieldSet): FieldSet {
    const elements = new Set([...this.#children.keys(), ...other.#children.keys()]);
    return new FieldSet(
      [...this.#members, ...other.#members],
      [...elements].map((element) => [element, this.below(element).union(other.below(element))] as const),
    );
  }

  difference(other: FieldSet): FieldSet {
    return new FieldSet(
      [...this.#members].filter((element) => !other.#members.has(element)),
      [...this.#children].map(
        ([element, child]) => [element, child.difference(other.below(element))] as const,
      ),
    );
  }

  intersection(other: FieldSet): FieldSet {
    return new FieldSet(
      [...this.#members].filter((element) => other.#members.has(element)),
      [...this.#children].map(
        ([element, child]) => [element, child.intersection(other.below(element))] as const,
      ),
    );
  }

  /** Without the members of the other and everything below them. */
  without(other: FieldSet): FieldSet {
    return new FieldSet(
      [...this.#members].filter((element) => !other.#members.has(element)),
      [...this.#children]
        .filter(([element]) => !other.#members.has(element))
        .map(([element, child]) => [element, child.without(other.below(element))] as const),
    );
  }

  /** Fields that a schema names are members whenever something below them is. */
  withNamedFields(schema: Schema | undefined): FieldSet {
    const members = new Set(this.#members);
    const children: [PathElement, FieldSet][] = [];
    for (const [element, child] of this.#children) {
      const name = element.startsWith("f:") ? element.slice(2) : undefined;
      const named =
        name !== undefined && schema?.properties !== undefined && Object.hasOwn(schema.properties, name);
      if (named) members.add(element);
      children.push([element, child.withNamedFields(schemaBelow(schema, element))]);
    }
    return new FieldSet(members, children);
  }

  /** Every path, in order. */
  paths(prefix: readonly PathElement[] = []): PathElement[][] {
    const own = [...this.#members].sort(compareElements).map((element) => [...prefix, element]);
    const below = [...this.#children.keys()]
      .sort(compareElements)
      .flatMap((element) => this.below(element).paths([...prefix, element]));
    return [...own, ...below];
  }
}

const EMPTY = new FieldSet();

function schemaBelow(schema: Schema | undefined, element: PathElement): Schema | undefined {
  if (schema === undefined) return undefined;
  if (!element.startsWith("f:")) return schema.items;
  const name = element.slice(2);
  const properties = schema.properties;
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name];
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

/** A path as messages show it: `.spec.keys[from="x"].to`. */
export function shownPath(path: readonly PathElement[]): string {
  return path.map(shownElement).join("");
}

export function shownElement(element: PathElement): string {
  const text = element.slice(2);
  switch (element.charAt(0)) {
    case "f":
      return `.${text}`;
    case "k": {
      const keys = JSON.parse(text) as JsonObject;
      return `[${Object.entries(keys)
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join(",")}]`;
    }
    case "v":
      return `[=${text}]`;
    default:
      return `[${text}]`;
  }
}
