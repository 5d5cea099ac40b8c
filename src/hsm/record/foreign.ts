/**
 * Foreign objects: secrets that were not written as records. They are read, and never changed on their own.
 *
 * Per-key objects (an earlier program of this name wrote them) have the application `hsm-secrets-operator`: the
 * label is `P/k` for key k of the secret P, or `P` for its key `data`; `P/_metadata` holds JSON. Plain objects have
 * any other application, and are looked at only when asked for.
 */

import { isKey } from "../../path/key.ts";
import { isPath } from "../../path/path.ts";
import type { ListProblem } from "../client.ts";
import type { TokenObject } from "../token.ts";
import type { RecordMeta, SecretKey, SecretRecord } from "./record.ts";

const METADATA = "/_metadata";
const DATA_KEY = "data";

export interface ForeignKey {
  readonly key: string;
  readonly id: number;
  /** The label can also be read as another secret, or is there twice: never destroyed by us. */
  readonly ambiguous: boolean;
}

export interface ForeignSecret {
  readonly path: string;
  /** In byte order of the names; each name once. */
  readonly keys: readonly ForeignKey[];
  readonly metadata: number | undefined;
  /** Objects that belong to it. */
  readonly objects: number;
}

export interface ForeignModel {
  readonly secrets: ReadonlyMap<string, ForeignSecret>;
  readonly problems: readonly ListProblem[];
}

interface Reading {
  readonly path: string;
  readonly key: string;
}

/** `P/k` as key k of P; `undefined` when it cannot be read so. */
function asMember(label: string): Reading | undefined {
  const slash = label.lastIndexOf("/");
  if (slash < 0) return undefined;
  const path = label.slice(0, slash);
  const key = label.slice(slash + 1);
  return isPath(path) && isKey(key) ? { path, key } : undefined;
}

/** `P` as the key `data` of P. */
function asData(label: string): Reading | undefined {
  return isPath(label) ? { path: label, key: DATA_KEY } : undefined;
}

export function parsePerKeyObjects(objects: readonly TokenObject[]): ForeignModel {
  const metadata = new Map<string, number>();
  const values: { label: string; id: number }[] = [];
  const problems: ListProblem[] = [];
  const times = new Map<string, number>();
  for (const { label, id } of objects) {
    if (label === null) problems.push(noPath(""));
    else if (label.endsWith(METADATA) && isPath(label.slice(0, -METADATA.length))) {
      metadata.set(label.slice(0, -METADATA.length), id);
    } else {
      values.push({ label, id });
      times.set(label, (times.get(label) ?? 0) + 1);
    }
  }
  const parents = new Set(values.flatMap(({ label }) => asMember(label)?.path ?? []));
  const keys = new Map<string, Map<string, ForeignKey>>();
  for (const { label, id } of values) {
    const { readings, ambiguous } = readingsOf(label, metadata, parents, times);
    if (readings.length === 0) problems.push(noPath(label));
    if (ambiguous) problems.push(ambiguousKey(label));
    for (const { path, key } of readings) {
      const secret = keys.get(path) ?? new Map<string, ForeignKey>();
      keys.set(path, secret);
      const other = secret.get(key);
      if (other === undefined) secret.set(key, { key, id, ambiguous });
      else secret.set(key, { ...other, ambiguous: true });
    }
  }
  for (const path of metadata.keys()) if (!keys.has(path)) keys.set(path, new Map());
  return {
    secrets: new Map(Array.from(keys, ([path, own]) => [path, secretOf(path, own, metadata)])),
    problems,
  };
}

/**
 * A label has two readings. Metadata beside it, or keys below it, speak for one; where they speak for both or for
 * none, both count for reading and none for destroying.
 */
function readingsOf(
  label: string,
  metadata: ReadonlyMap<string, number>,
  parents: ReadonlySet<string>,
  times: ReadonlyMap<string, number>,
): { readings: Reading[]; ambiguous: boolean } {
  const twice = (times.get(label) ?? 0) > 1;
  const member = asMember(label);
  const data = asData(label);
  if (member === undefined || data === undefined) {
    const only = member ?? data;
    return { readings: only === undefined ? [] : [only], ambiguous: twice };
  }
  const speaksForMember = metadata.has(member.path);
  const speaksForData = metadata.has(label) || parents.has(label);
  if (speaksForMember === speaksForData) return { readings: [member, data], ambiguous: true };
  return { readings: [speaksForMember ? member : data], ambiguous: twice };
}

function secretOf(
  path: string,
  keys: ReadonlyMap<string, ForeignKey>,
  metadata: ReadonlyMap<string, number>,
): ForeignSecret {
  const own = metadata.get(path);
  return {
    path,
    keys: [...keys.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
    metadata: own,
    objects: keys.size + (own === undefined ? 0 : 1),
  };
}

/** Plain objects that are the secret at `path`; nothing is known of their names but that segments match whole. */
export function plainSecret(path: string, plain: readonly TokenObject[]): ForeignSecret | undefined {
  const keys = new Map<string, ForeignKey>();
  for (const { label, id } of plain) {
    if (label === null) continue;
    const member = asMember(label);
    const key = label === path ? DATA_KEY : member?.path === path ? member.key : undefined;
    if (key !== undefined && !keys.has(key)) keys.set(key, { key, id, ambiguous: true });
  }
  return keys.size === 0 ? undefined : secretOf(path, keys, new Map());
}

/** What the JSON in `P/_metadata` says. Broken JSON says nothing. */
export interface ForeignMetadata {
  readonly meta: RecordMeta;
  readonly deleted: boolean;
}

export function parseForeignMetadata(json: Uint8Array | undefined): ForeignMetadata {
  const none: ForeignMetadata = { meta: {}, deleted: false };
  if (json === undefined) return none;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(json).toString("utf8"));
  } catch {
    return none;
  }
  if (typeof value !== "object" || value === null) return none;
  const from = value as Record<string, unknown>;
  const meta: Record<string, unknown> = {};
  for (const field of ["description", "format", "dataType", "source", "createdAt"]) {
    if (typeof from[field] === "string") meta[field] = from[field];
  }
  const labels = Object.entries(from["labels"] ?? {}).filter(
    (e): e is [string, string] => typeof e[1] === "string",
  );
  if (labels.length > 0) meta["labels"] = Object.fromEntries(labels);
  return { meta, deleted: labels.some(([name, text]) => name === "sync.deleted" && text === "true") };
}

/** A foreign secret in the shape of a record: generation 0, no dot, no clock. It cannot be encoded. */
export function foreignRecord(
  secret: ForeignSecret,
  values: ReadonlyMap<number, Uint8Array>,
  metadata: ForeignMetadata,
): SecretRecord {
  const keys: SecretKey[] = [];
  for (const { key, id } of secret.keys) {
    const value = values.get(id);
    if (value !== undefined) keys.push([key, value]);
  }
  return {
    v: 1,
    pool: new Uint8Array(16),
    path: secret.path,
    generation: 0,
    dot: ["", 0],
    clock: new Map(),
    writer: "",
    time: metadata.meta.createdAt ?? "",
    nonce: new Uint8Array(16),
    deleted: metadata.deleted,
    meta: metadata.meta,
    keys: metadata.deleted ? [] : keys,
  };
}

function shown(label: string): string {
  return JSON.stringify(label).slice(1, -1).slice(0, 160);
}

function noPath(label: string): ListProblem {
  return {
    label: shown(label),
    reason: "UnreadableName",
    message: "An object's label is not a path; it is left alone.",
  };
}

function ambiguousKey(label: string): ListProblem {
  return {
    label: shown(label),
    reason: "AmbiguousKey",
    message:
      "This object can be read as a key of one secret or as another secret; it is read, and never destroyed.",
  };
}
