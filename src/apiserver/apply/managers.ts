import type { JsonObject, ManagedFieldsEntry, ObjectMeta } from "../object.ts";
import { FieldSet } from "./field-set.ts";

/** A manager's claim on an object: what it owns, since when. */
export interface Claim {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly set: FieldSet;
  /** RFC 3339, whole seconds; absent for a claim that never changed a value. */
  readonly time: string | undefined;
}

export type Claims = ReadonlyMap<string, Claim>;

/** Appliers are one manager whatever the version; updaters are one a version. */
export function claimId(claim: Pick<Claim, "manager" | "operation" | "apiVersion" | "subresource">): string {
  const version = claim.operation === "Apply" ? "" : claim.apiVersion;
  return JSON.stringify([claim.manager, claim.operation, version, claim.subresource]);
}

export function decodeClaims(entries: readonly ManagedFieldsEntry[] | undefined): Claims {
  const claims = new Map<string, Claim>();
  for (const entry of entries ?? []) {
    if (entry.operation !== "Apply" && entry.operation !== "Update") continue;
    const claim: Claim = {
      manager: entry.manager ?? "",
      operation: entry.operation,
      apiVersion: entry.apiVersion ?? "",
      subresource: entry.subresource ?? "",
      set: FieldSet.fromFieldsV1(entry.fieldsV1),
      time: entry.time,
    };
    claims.set(claimId(claim), claim);
  }
  return claims;
}

/** As they are stored: appliers first, then by age, then by name. */
export function encodeClaims(claims: Claims): ManagedFieldsEntry[] {
  return [...claims.values()].sort(byOperationAndAge).map((claim) => ({
    manager: claim.manager,
    operation: claim.operation,
    apiVersion: claim.apiVersion,
    ...(claim.time === undefined ? {} : { time: claim.time }),
    fieldsType: "FieldsV1",
    fieldsV1: shared(claim.set.toFieldsV1()),
    ...(claim.subresource === "" ? {} : { subresource: claim.subresource }),
  }));
}

const MOST_SHARED = 1_000;
const sharedFields = new Map<string, JsonObject>();

/** Objects of one shape share one tree: of a small Secret, it would be the largest part in memory. */
function shared(fields: JsonObject): JsonObject {
  const key = JSON.stringify(fields);
  const known = sharedFields.get(key);
  if (known !== undefined) return known;
  if (sharedFields.size >= MOST_SHARED) sharedFields.clear();
  sharedFields.set(key, fields);
  return fields;
}

function byOperationAndAge(a: Claim, b: Claim): number {
  const keys = (claim: Claim): readonly string[] => [
    claim.operation,
    claim.time ?? "",
    claim.manager,
    claim.apiVersion,
    claim.subresource,
  ];
  const left = keys(a);
  const right = keys(b);
  for (const [index, key] of left.entries()) {
    const other = right[index] ?? "";
    if (key !== other) return key < other ? -1 : 1;
  }
  return 0;
}

/**
 * The claims that an update starts from: those of the request when it brings any (a list of none, or of one empty
 * entry, drops them all), else those of the stored object.
 */
export function startingClaims(
  stored: ObjectMeta | undefined,
  sent: ObjectMeta,
  subresource: boolean,
): Claims {
  if (subresource) return decodeClaims(stored?.managedFields);
  const entries = sent.managedFields;
  if (entries !== undefined && isReset(entries)) return new Map();
  const given = decodeClaims(entries);
  return given.size > 0 ? given : decodeClaims(stored?.managedFields);
}

function isReset(entries: readonly ManagedFieldsEntry[]): boolean {
  const [first, ...rest] = entries;
  return first === undefined || (rest.length === 0 && Object.keys(first).length === 0);
}

/** Paths that nobody owns: they are the server's, or the object's identity. */
const SERVER_FIELDS = FieldSet.fromFieldsV1({
  "f:apiVersion": {},
  "f:kind": {},
  "f:metadata": {
    ".": {},
    "f:name": {},
    "f:namespace": {},
    "f:creationTimestamp": {},
    "f:selfLink": {},
    "f:uid": {},
    "f:clusterName": {},
    "f:generation": {},
    "f:managedFields": {},
    "f:resourceVersion": {},
  },
});

const MAX_UPDATERS = 10;

/** What is kept of claims: none on the server's own fields, none that are empty, not too many updaters. */
export function tidyClaims(claims: Claims): Claims {
  const kept = new Map<string, Claim>();
  for (const [id, claim] of claims) {
    const set = claim.set.difference(SERVER_FIELDS);
    if (!set.isEmpty()) kept.set(id, { ...claim, set });
  }
  return capped(kept);
}

/** The oldest updaters beyond the limit become one, `ancient-changes`. */
function capped(claims: Map<string, Claim>): Claims {
  const updaters = [...claims.entries()]
    .filter(([, claim]) => claim.operation === "Update")
    .sort(([, a], [, b]) => byOperationAndAge(a, b));
  let excess = updaters.length - MAX_UPDATERS;
  if (excess <= 0) return claims;
  for (const [id, claim] of updaters) {
    if (excess < 0) break;
    const ancient: Claim = { ...claim, manager: "ancient-changes", subresource: "" };
    const target = claimId(ancient);
    const before = target === id ? undefined : claims.get(target);
    if (before !== undefined || target !== id) excess -= before === undefined ? 0 : 1;
    claims.delete(id);
    claims.set(target, {
      ...ancient,
      set: before === undefined ? claim.set : before.set.union(claim.set),
      time: before === undefined ? claim.time : laterOf(before.time, claim.time),
    });
  }
  return claims;
}

function laterOf(a: string | undefined, b: string | undefined): string | undefined {
  return (a ?? "") > (b ?? "") ? a : b;
}

/** Two objects that differ at most in the times of their managers: a write of the one over the other is no change. */
export function withoutManagerTimes(metadata: ObjectMeta): JsonObject {
  const { managedFields, ...rest } = metadata;
  if (managedFields === undefined) return { ...rest };
  return { ...rest, managedFields: managedFields.map(({ time: _time, ...entry }) => entry) };
}
