/**
 * What a listing of the token says, without a value read: which records may be at which path, which parts are
 * missing. Pure; whether a record is valid is found out by reading it (verify.ts), which one is served by
 * resolve.ts.
 */

import { isPath } from "../../path/path.ts";
import type { ListProblem } from "../client.ts";
import type { TokenListing, TokenObject } from "../token.ts";
import { PER_KEY_APPLICATION, parseApplication } from "./application.ts";
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
  /** Equal for equal objects: what was worked out for the path before still holds. */
  readonly signature: string;
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

interface OpenGroup {
  readonly first: Omit<RecordGroup, "parts" | "ids" | "complete">;
  readonly parts: number[][];
  readonly ids: number[];
}

export function modelOf(listing: TokenListing): TokenModel {
  const open = new Map<string, Map<string, OpenGroup>>();
  const perKey: TokenObject[] = [];
  const plain: TokenObject[] = [];
  const problems: ListProblem[] = [];
  const ids = new Set<number>();
  for (const object of listing.objects) {
    ids.add(object.id);
    const name = parseApplication(object.application);
    if (name === undefined) {
      (object.application === PER_KEY_APPLICATION ? perKey : plain).push(object);
    } else if (object.label === null || !(isPath(object.label) || object.label === POOL_PATH)) {
      problems.push(unreadableName(object.label));
    } else if (name === "invalid") {
      problems.push({
        label: object.label,
        reason: "Corrupt",
        message: "An object claims to be part of a record, but its application attribute cannot be read.",
      });
    } else {
      addPart(open, object.label, name, object.id);
    }
  }
  const foreign = parsePerKeyObjects(perKey);
  return {
    version: listing.version,
    paths: new Map(Array.from(open, ([path, groups]) => [path, closePath(path, groups)])),
    foreign,
    plain,
    problems: [...problems, ...foreign.problems],
    objectsUsed: listing.objects.length + listing.otherObjects,
    ids,
  };
}

function addPart(
  open: Map<string, Map<string, OpenGroup>>,
  path: string,
  name: Exclude<ReturnType<typeof parseApplication>, undefined | "invalid">,
  id: number,
): void {
  const { index, ...record } = name;
  const key = `${path} ${record.generation} ${record.digest} ${record.count} ${record.state}`;
  const groups = open.get(path) ?? new Map<string, OpenGroup>();
  if (groups.size === 0) open.set(path, groups);
  const group = groups.get(key) ?? {
    first: { key, path, ...record },
    parts: Array.from({ length: record.count }, () => []),
    ids: [],
  };
  if (group.ids.length === 0) groups.set(key, group);
  group.ids.push(id);
  group.parts[index - 1]?.push(id);
}

function closePath(path: string, open: Map<string, OpenGroup>): PathObjects {
  const groups: RecordGroup[] = [];
  const ids: number[] = [];
  for (const { first, parts, ids: own } of open.values()) {
    own.sort((a, b) => a - b);
    ids.push(...own);
    groups.push({ ...first, parts, ids: own, complete: parts.every((candidates) => candidates.length > 0) });
  }
  return { path, groups, objects: ids.length, signature: ids.sort((a, b) => a - b).join() };
}

/** For a label that is no path. The label itself may hold anything: it is shown escaped, and cut. */
export function unreadableName(label: string | null): ListProblem {
  return {
    label: label === null ? "" : JSON.stringify(label).slice(1, -1).slice(0, 160),
    reason: "UnreadableName",
    message: "An object's label is not a path; it is left alone.",
  };
}
