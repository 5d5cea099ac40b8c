import { isJsonObject, type JsonObject, type KubeObject, type ManagedFieldsEntry } from "../object.ts";
import type { Schema } from "../schema/schema.ts";
import { type Comparison, compare, fieldsOf } from "./compare.ts";
import { conflictError } from "./conflicts.ts";
import { emptyObject } from "./empty-object.ts";
import { ApplyError } from "./errors.ts";
import { FieldSet } from "./field-set.ts";
import {
  type Claim,
  type Claims,
  claimId,
  decodeClaims,
  encodeClaims,
  startingClaims,
  tidyClaims,
} from "./managers.ts";
import { mergeConfiguration, removePaths } from "./merge.ts";
import { objectSchema, typeFaults } from "./typed.ts";

/** Who writes, how, and to what. */
export interface WriteScope {
  /** The field manager's name: `fieldManager` of the request, else the first part of its User-Agent, else `unknown`. */
  readonly manager: string;
  /** Group and version of the request, e.g. `apps/v1`. */
  readonly apiVersion: string;
  /** `status`, `scale`; absent or empty for the object itself. */
  readonly subresource?: string;
  /** RFC 3339, whole seconds. */
  readonly now: string;
  /** The codec's schema of the kind. */
  readonly schema: Schema;
  /** From a CustomResourceDefinition. */
  readonly custom: boolean;
  /**
   * Top-level fields that this endpoint resets before it stores, so that nobody comes to own them by it: `status` for
   * the object when it has a status subresource, `spec` for the status.
   */
  readonly resets: readonly string[];
}

/**
 * The managedFields after a create, an update or a patch that is no apply: the writer owns what it changed, others lose
 * what was changed or removed. An update of an object that nobody tracks stays untracked.
 *
 * @param live the stored object, undefined on create
 * @param next what was sent, with defaults, before anything of it is reset; its own managedFields count where the
 *   request may bring some
 */
export function trackUpdate(
  live: KubeObject | undefined,
  next: KubeObject,
  scope: WriteScope,
): ManagedFieldsEntry[] {
  const subresource = (scope.subresource ?? "") !== "";
  const claims = startingClaims(live?.metadata, next.metadata, subresource);
  if (claims.size === 0 && live !== undefined) return [];
  const schema = objectSchema(scope.schema);
  const before = live === undefined ? emptyObject(schema, scope.custom) : withoutClaims(live);
  return encodeClaims(tidyClaims(updatedClaims(before, withoutClaims(next), claims, scope, scope.manager)));
}

export interface Applied {
  /** The live object with the configuration in it, managedFields left out; to be decoded, defaulted and validated. */
  readonly object: JsonObject;
  readonly managedFields: ManagedFieldsEntry[];
}

/**
 * Server-side apply.
 *
 * @param live the stored object; undefined when the apply creates it
 * @param applied the configuration as it was sent
 * @throws ApplyError
 */
export function applyFields(
  live: KubeObject | undefined,
  applied: JsonObject,
  scope: WriteScope,
  force: boolean,
): Applied {
  const schema = objectSchema(scope.schema);
  checkConfiguration(applied, schema, scope);
  const current: JsonObject = live === undefined ? bareObject(applied) : withoutClaims(live);
  let claims = decodeClaims(live?.metadata.managedFields);
  if (claims.size === 0) {
    claims = updatedClaims(emptyObject(schema, scope.custom), current, claims, scope, "before-first-apply");
  }
  const own: Claim = {
    manager: scope.manager,
    operation: "Apply",
    apiVersion: scope.apiVersion,
    subresource: scope.subresource ?? "",
    set: fieldsOf(applied, schema).without(resetSet(scope)),
    time: undefined,
  };
  const id = claimId(own);
  const last = claims.get(id);
  const mine = { ...own, time: last?.time };
  const withMine = new Map(claims).set(id, mine);
  const merged = mergeConfiguration(current, applied, schema);
  const pruned = prune(isJsonObject(merged) ? merged : {}, withMine, last, schema);
  const { claims: settled, comparison } = settle(current, pruned, withMine, id, scope, force);
  const result = new Map(settled);
  if (!comparison.isSame) result.set(id, { ...mine, time: scope.now });
  return { object: pruned, managedFields: encodeClaims(tidyClaims(result)) };
}

function checkConfiguration(applied: JsonObject, schema: Schema, scope: WriteScope): void {
  const metadata = isJsonObject(applied["metadata"]) ? applied["metadata"] : {};
  if (metadata["managedFields"] !== undefined && metadata["managedFields"] !== null) {
    throw new ApplyError("BadRequest", "metadata.managedFields must be nil");
  }
  const faults = typeFaults(applied, schema);
  if (faults.length === 0) return;
  const name = `${metadata["namespace"] ?? ""}/${metadata["name"] ?? ""}`;
  const version = scope.apiVersion.includes("/") ? scope.apiVersion : `/${scope.apiVersion}`;
  const text =
    faults.length === 1 ? faults[0] : ["errors:", ...faults.map((fault) => `  ${fault}`)].join("\n");
  throw new ApplyError(
    "Untyped",
    `failed to create typed patch object (${name}; ${version}, Kind=${String(applied["kind"])}): ${text}`,
  );
}

function bareObject(applied: JsonObject): JsonObject {
  return { apiVersion: applied["apiVersion"], kind: applied["kind"], metadata: {} };
}

function withoutClaims(object: KubeObject): JsonObject {
  const { managedFields: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function updatedClaims(
  before: JsonObject,
  after: JsonObject,
  claims: Claims,
  scope: WriteScope,
  manager: string,
): Claims {
  const { claims: settled, comparison } = settle(before, after, claims, undefined, scope, true);
  const taken = comparison.changed;
  const claim = {
    manager,
    operation: "Update" as const,
    apiVersion: scope.apiVersion,
    subresource: manager === "before-first-apply" ? "" : (scope.subresource ?? ""),
  };
  const id = claimId(claim);
  if (taken.isEmpty()) return settled;
  const previous = settled.get(id)?.set ?? new FieldSet();
  return new Map(settled).set(id, { ...claim, set: previous.union(taken), time: scope.now });
}

/** Takes from everybody else what changed; without `force`, that is a conflict. */
function settle(
  before: JsonObject,
  after: JsonObject,
  claims: Claims,
  self: string | undefined,
  scope: WriteScope,
  force: boolean,
): { claims: Claims; comparison: Comparison } {
  const comparison = compare(before, after, objectSchema(scope.schema)).without(resetSet(scope));
  const { changed, removed } = comparison;
  const conflicts = [...claims]
    .filter(([id]) => id !== self)
    .map(([, claim]) => ({ claim, fields: claim.set.intersection(changed) }))
    .filter(({ fields }) => !fields.isEmpty());
  if (!force && conflicts.length > 0) throw conflictError(conflicts);
  const settled = new Map<string, Claim>();
  for (const [id, claim] of claims) {
    const set = id === self ? claim.set : claim.set.difference(changed).difference(removed);
    if (!set.isEmpty() || id === self) settled.set(id, { ...claim, set });
  }
  return { claims: settled, comparison };
}

/** Removes what the applier owned by its last configuration, no longer names, and nobody else owns. */
function prune(merged: JsonObject, claims: Claims, last: Claim | undefined, schema: Schema): JsonObject {
  if (last === undefined || last.set.isEmpty()) return merged;
  const lastSet = last.set.withNamedFields(schema);
  const named = (value: JsonObject) => fieldsOf(value, schema).withNamedFields(schema);
  const all = named(merged);
  let pruned = removePaths(merged, lastSet, schema);
  const owned = [...claims.values()].reduce((sum, claim) => sum.union(claim.set), new FieldSet());
  pruned = removePaths(merged, all.difference(named(pruned).union(owned.withNamedFields(schema))), schema);
  return removePaths(merged, all.difference(named(pruned)).intersection(lastSet), schema);
}

function resetSet(scope: WriteScope): FieldSet {
  return new FieldSet(scope.resets.map((name) => `f:${name}`));
}
