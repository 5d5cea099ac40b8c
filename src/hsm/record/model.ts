/**
 * What a listing of the token says, without a value read: which records may be at which path, which parts are
 * missing. Pure; whether a record is valid is found out by reading it (verify.ts), which one is served by
 * resolve.ts.
 */

import { isPath } from "../../path/path.ts";
import type { ListProblem } from "../client.ts";
import type { TokenListing, TokenObject } from "../token.ts";
import { type PartName, PER_KEY_APPLICATION, parseApplication } from "./application.ts";
import { type ForeignModel, parsePerKeyObjects } from "./foreign.ts";
import { POOL_PATH } from "./record.ts";

/** The objects that claim to be the parts of one record. */
export interface RecordGroup {
  /** Names the record among all of the token: path, generation, digest, number of parts, state. */
  readonly key: string;
  readonly path: string;
  readonly generation: number;
  /** First 32 hex digits of the record's SHA-256. */
  readonly digest: string;
  readonly state: "live" | "dead";
  readonly count: number;
  /** For each part from the first: the ids of the objects that claim to be it. More than one after a broken retry. */
  readonly parts: readonly (readonly number[])[];
  /** All ids, ascending. */
  readonly ids: readonly number[];
  /** Every part is there by name. */
  readonly complete: boolean;
}

/** All that is ours at one path. */
export interface PathObjects {
  readonly path: string;
  readonly groups: readonly RecordGroup[];
  readonly objects: number;
}

export interface TokenModel {
  /** Of the listing that this was made from. */
  readonly version: number;
  readonly paths: ReadonlyMap<string, PathObjects>;
  /** Per-key objects that an earlier program of this name wrote. */
  readonly foreign: ForeignModel;
  /** Objects of other programs. */
  readonly plain: readonly TokenObject[];
  /** Objects that nobody can name, or whose application claims to be ours and cannot be read. */
  readonly problems: readonly ListProblem[];
  /** Objects of every class, ours or not. */
  readonly objectsUsed: number;
  readonly ids: ReadonlySet<number>;
}

/** What one object of a listing is, by its name alone. */
export type ObjectKind =
  | { readonly kind: "part"; readonly path: string; readonly name: PartName }
  | { readonly kind: "per-key" }
  | { readonly kind: "plain" }
  | { readonly kind: "problem"; readonly problem: ListProblem };

export function classify(object: TokenObject): ObjectKind {
  const name = parseApplication(object.application);
  if (name === undefined) return { kind: object.application === PER_KEY_APPLICATION ? "per-key" : "plain" };
  const { label } = object;
  if (label === null || !(isPath(label) || label === POOL_PATH))
    return { kind: "problem", problem: unreadableName(label) };
  if (name !== "invalid") return { kind: "part", path: label, name };
  const message = "An object claims to be part of a record, but its application attribute cannot be read.";
  return { kind: "problem", problem: { label, reason: "Corrupt", message } };
}

export function modelOf(listing: TokenListing): TokenModel {
  return new ModelCache().update(listing).model;
}

/** The parts at one path, put together by what they claim to be. */
export function groupParts(path: string, parts: ReadonlyMap<number, PartName>): PathObjects {
  const open = new Map<string, { first: PartName; parts: number[][]; ids: number[] }>();
  for (const [id, name] of parts) {
    const { generation, index, count, digest, state } = name;
    const key = `${path} ${generation} ${digest} ${count} ${state}`;
    let group = open.get(key);
    if (group === undefined) {
      group = { first: name, parts: Array.from({ length: count }, () => []), ids: [] };
      open.set(key, group);
    }
    group.ids.push(id);
    group.parts[index - 1]?.push(id);
  }
  const groups = Array.from(open, ([key, { first, parts: candidates, ids }]): RecordGroup => {
    const { generation, digest, state, count } = first;
    ids.sort((a, b) => a - b);
    const complete = candidates.every((own) => own.length > 0);
    return { key, path, generation, digest, state, count, parts: candidates, ids, complete };
  });
  return { path, groups, objects: parts.size };
}

interface KnownObject {
  readonly object: TokenObject;
  readonly is: ObjectKind;
}

/**
 * Makes models of one listing after another and works out anew only what changed: with a thousand objects on a
 * token a write must not cost the event loop the parsing of a thousand names.
 */
export class ModelCache {
  #known = new Map<number, KnownObject>();
  readonly #parts = new Map<string, Map<number, PartName>>();
  #model: TokenModel | undefined;

  /** `changed`: the paths whose objects are others than in the listing before. */
  update(listing: TokenListing): { readonly model: TokenModel; readonly changed: ReadonlySet<string> } {
    const changed = new Set<string>();
    let others = this.#model === undefined;
    const known = new Map<number, KnownObject>();
    for (const object of listing.objects) {
      const before = this.#known.get(object.id);
      if (before?.object.label === object.label && before.object.application === object.application) {
        known.set(object.id, before);
        continue;
      }
      const is = classify(object);
      known.set(object.id, { object, is });
      if (before !== undefined) others = this.#forget(object.id, before, changed) || others;
      if (is.kind !== "part") others = true;
      else {
        const parts = this.#parts.get(is.path) ?? new Map<number, PartName>();
        this.#parts.set(is.path, parts.set(object.id, is.name));
        changed.add(is.path);
      }
    }
    for (const [id, before] of this.#known) {
      if (!known.has(id)) others = this.#forget(id, before, changed) || others;
    }
    this.#known = known;
    this.#model = this.#build(listing, changed, others);
    return { model: this.#model, changed };
  }

  /** True when the object was none of a record. */
  #forget(id: number, { is }: KnownObject, changed: Set<string>): boolean {
    if (is.kind !== "part") return true;
    this.#parts.get(is.path)?.delete(id);
    changed.add(is.path);
    return false;
  }

  #build(listing: TokenListing, changed: ReadonlySet<string>, others: boolean): TokenModel {
    const paths = new Map(this.#model?.paths);
    for (const path of changed) {
      const parts = this.#parts.get(path);
      if (parts !== undefined && parts.size > 0) paths.set(path, groupParts(path, parts));
      else {
        paths.delete(path);
        this.#parts.delete(path);
      }
    }
    const { version } = listing;
    const objectsUsed = listing.objects.length + listing.otherObjects;
    const ids: ReadonlySet<number> = new Set(this.#known.keys());
    if (!others && this.#model !== undefined) return { ...this.#model, version, paths, objectsUsed, ids };
    const perKey: TokenObject[] = [];
    const plain: TokenObject[] = [];
    const problems: ListProblem[] = [];
    for (const { object, is } of this.#known.values()) {
      if (is.kind === "per-key") perKey.push(object);
      else if (is.kind === "plain") plain.push(object);
      else if (is.kind === "problem") problems.push(is.problem);
    }
    const foreign = parsePerKeyObjects(perKey);
    return { version, paths, foreign, plain, problems: [...problems, ...foreign.problems], objectsUsed, ids };
  }
}

/** For a label that is no path. The label itself may hold anything: it is shown escaped, and cut. */
function unreadableName(label: string | null): ListProblem {
  return {
    label: label === null ? "" : JSON.stringify(label).slice(1, -1).slice(0, 160),
    reason: "UnreadableName",
    message: "An object's label is not a path; it is left alone.",
  };
}
