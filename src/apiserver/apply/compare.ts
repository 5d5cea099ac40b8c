import { isJsonObject, type JsonObject, sameJson } from "../object.ts";
import { fieldSchema, type Schema } from "../schema/schema.ts";
import { FieldSet, type PathElement } from "./field-set.ts";
import { isNamedField, itemElement, shapeOf } from "./typed.ts";

/** The paths that a configuration speaks of: what its applier will own. */
export function fieldsOf(value: unknown, schema: Schema): FieldSet {
  const set = new FieldSet();
  collect(value, schema, [], set);
  return set;
}

function collect(
  value: unknown,
  schema: Schema | undefined,
  path: readonly PathElement[],
  set: FieldSet,
): void {
  const shape = shapeOf(value, schema);
  if (shape === "leaf") {
    set.insert(path);
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value) {
      const below = [...path, itemElement(item, schema) ?? "i:0"];
      collect(item, schema?.items, below, set);
      set.insert(below);
    }
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [key, member] of Object.entries(value)) {
    const below = [...path, `f:${key}`];
    const empty = member === null || (isJsonObject(member) && Object.keys(member).length === 0);
    collect(member, fieldSchema(schema, key), below, set);
    if (empty || !isNamedField(schema, key)) set.insert(below);
  }
}

/** The difference between two objects, path by path. */
export class Comparison {
  readonly added: FieldSet;
  readonly removed: FieldSet;
  readonly modified: FieldSet;

  constructor(added = new FieldSet(), removed = new FieldSet(), modified = new FieldSet()) {
    this.added = added;
    this.removed = removed;
    this.modified = modified;
  }

  get isSame(): boolean {
    return this.added.isEmpty() && this.removed.isEmpty() && this.modified.isEmpty();
  }

  /** Added or modified. */
  get changed(): FieldSet {
    return this.added.union(this.modified);
  }

  /** Without what stands at or below some paths. */
  without(ignored: FieldSet): Comparison {
    return new Comparison(
      this.added.without(ignored),
      this.removed.without(ignored),
      this.modified.without(ignored),
    );
  }
}

export function compare(before: unknown, after: unknown, schema: Schema): Comparison {
  const comparison = new Comparison();
  walk(before, after, schema, [], comparison);
  return comparison;
}

function walk(
  before: unknown,
  after: unknown,
  schema: Schema | undefined,
  path: readonly PathElement[],
  found: Comparison,
): void {
  const shape = shapeOf(after ?? before, schema);
  const other = shapeOf(before ?? after, schema);
  if (shape === "leaf" || other === "leaf" || (isBare(before) && isBare(after))) {
    if (before === undefined) found.added.insert(path);
    else if (after === undefined) found.removed.insert(path);
    else if (!sameJson(before, after)) found.modified.insert(path);
    return;
  }
  if (shape === "list") walkList(listOf(before), listOf(after), schema, path, found);
  else walkMap(mapOf(before), mapOf(after), schema, path, found);
  if (before === undefined) found.added.insert(path);
  else if (after === undefined) found.removed.insert(path);
}

function walkList(
  before: readonly unknown[],
  after: readonly unknown[],
  schema: Schema | undefined,
  path: readonly PathElement[],
  found: Comparison,
): void {
  const old = byElement(before, schema);
  const now = byElement(after, schema);
  for (const element of new Set([...old.keys(), ...now.keys()])) {
    walk(old.get(element), now.get(element), schema?.items, [...path, element], found);
  }
}

function walkMap(
  before: JsonObject,
  after: JsonObject,
  schema: Schema | undefined,
  path: readonly PathElement[],
  found: Comparison,
): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    const now = Object.hasOwn(after, key) ? after[key] : undefined;
    if (old === undefined && now === undefined) continue;
    walk(old, now, fieldSchema(schema, key), [...path, `f:${key}`], found);
  }
}

function byElement(list: readonly unknown[], schema: Schema | undefined): Map<PathElement, unknown> {
  const items = new Map<PathElement, unknown>();
  for (const [index, item] of list.entries()) items.set(itemElement(item, schema) ?? `i:${index}`, item);
  return items;
}

/** Nothing to walk into: absent, null or empty. */
function isBare(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function mapOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
