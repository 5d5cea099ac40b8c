/**
 * Decides, for one path, which record is served, which are its history, which are in conflict. Pure: from the
 * objects that are there and from what is known of the records that were read before.
 */

import type { ListEntry, ListProblem } from "../client.ts";
import { MAX_GENERATION_JUMP } from "./build.ts";
import { type Causal, headsOf } from "./clock.ts";
import type { PathObjects, RecordGroup } from "./model.ts";
import type { SecretRecord } from "./record.ts";

/** What is remembered of a record that was read: never a value. */
export type RecordFact =
  | {
      readonly valid: true;
      readonly dot: SecretRecord["dot"];
      readonly clock: SecretRecord["clock"];
      readonly time: string;
      readonly writer: string;
      /** The objects that it was read from; others that claim to be its parts are surplus. */
      readonly ids: readonly number[];
    }
  | {
      readonly valid: false;
      readonly reason: "Corrupt" | "WrongPath" | "Incomplete";
      readonly message: string;
      /** Of the objects that were read: others may be whole. */
      readonly ids: readonly number[];
    };

export type Facts = ReadonlyMap<string, RecordFact>;

export interface ResolvedPath {
  readonly path: string;
  /** `undefined`: no record counts at this path. */
  readonly entry: ListEntry | undefined;
  readonly served: RecordGroup | undefined;
  /** The other records from which no other descends. */
  readonly conflicts: readonly RecordGroup[];
  /** Records behind the heads, newest first. */
  readonly history: readonly RecordGroup[];
  readonly incomplete: readonly RecordGroup[];
  readonly corrupt: readonly RecordGroup[];
  /** Generation out of reach. */
  readonly refused: readonly RecordGroup[];
  readonly problems: readonly ListProblem[];
}

/** What is known of this very group; a record found damaged says nothing about other objects of its name. */
export function factOf(group: RecordGroup, facts: Facts): RecordFact | undefined {
  const fact = facts.get(group.key);
  if (fact === undefined || fact.valid) return fact;
  return fact.ids.length === group.ids.length && fact.ids.every((id, i) => id === group.ids[i])
    ? fact
    : undefined;
}

/**
 * The records that must be read before {@link resolvePath} can tell: which descends from which only their clocks
 * say. One alone needs no read.
 */
export function unknownGroups(objects: PathObjects, facts: Facts): readonly RecordGroup[] {
  const candidates = objects.groups.filter(
    (group) => group.complete && factOf(group, facts)?.valid !== false,
  );
  return candidates.length < 2 ? [] : candidates.filter((group) => factOf(group, facts) === undefined);
}

/** `known`: the highest generation that was accepted at this path before, 0 when none was. */
export function resolvePath(objects: PathObjects, facts: Facts, known: number): ResolvedPath {
  const incomplete = objects.groups.filter((group) => !group.complete || isCutShort(group, facts));
  const corrupt = objects.groups.filter(
    (group) => group.complete && factOf(group, facts)?.valid === false && !isCutShort(group, facts),
  );
  const candidates = objects.groups.filter(
    (group) => group.complete && factOf(group, facts)?.valid !== false,
  );
  candidates.sort(newestFirst);
  const { accepted, refused } = withinReach(candidates, known);
  const heads = headGroups(accepted, facts);
  const [served, ...conflicts] = heads;
  const history = accepted.filter((group) => !heads.includes(group));
  return {
    path: objects.path,
    entry: served === undefined ? undefined : entryOf(served, objects, accepted.length, conflicts.length > 0),
    served,
    conflicts,
    history,
    incomplete,
    corrupt,
    refused,
    problems: problemsOf(incomplete, corrupt, refused, facts),
  };
}

/** All parts are there by name, and one ends too early: no write of it was ever proven. */
function isCutShort(group: RecordGroup, facts: Facts): boolean {
  const fact = factOf(group, facts);
  return fact?.valid === false && fact.reason === "Incomplete";
}

/** Higher generation first, then higher digest. */
export function newestFirst(a: RecordGroup, b: RecordGroup): number {
  return b.generation - a.generation || (a.digest < b.digest ? 1 : a.digest > b.digest ? -1 : 0);
}

function withinReach(
  newest: readonly RecordGroup[],
  known: number,
): { accepted: RecordGroup[]; refused: RecordGroup[] } {
  const accepted: RecordGroup[] = [];
  const refused: RecordGroup[] = [];
  let reach = known;
  for (const group of [...newest].reverse()) {
    if (reach > 0 && group.generation > reach + MAX_GENERATION_JUMP) {
      refused.unshift(group);
    } else {
      accepted.unshift(group);
      reach = Math.max(reach, group.generation);
    }
  }
  return { accepted, refused };
}

function headGroups(accepted: readonly RecordGroup[], facts: Facts): RecordGroup[] {
  if (accepted.length < 2) return [...accepted];
  const causal = accepted.map((group): Causal & { group: RecordGroup } => {
    const fact = facts.get(group.key);
    if (fact?.valid !== true) throw new Error("a record was not read before it was resolved");
    return { group, dot: fact.dot, clock: fact.clock };
  });
  return headsOf(causal).map(({ group }) => group);
}

function entryOf(served: RecordGroup, objects: PathObjects, records: number, conflict: boolean): ListEntry {
  return {
    path: objects.path,
    kind: "record",
    generation: served.generation,
    digest: served.digest,
    state: served.state,
    objects: objects.objects,
    records,
    conflict,
  };
}

function problemsOf(
  incomplete: readonly RecordGroup[],
  corrupt: readonly RecordGroup[],
  refused: readonly RecordGroup[],
  facts: Facts,
): ListProblem[] {
  const problems: ListProblem[] = [];
  for (const { path: label, generation, parts, count } of incomplete) {
    const there = parts.filter((candidates) => candidates.length > 0).length;
    const message =
      there === count
        ? `Generation ${generation} has a part that is cut short and is skipped.`
        : `Generation ${generation} has only ${there} of its ${count} parts and is skipped.`;
    problems.push({ label, reason: "Incomplete", message });
  }
  for (const group of corrupt) {
    const fact = facts.get(group.key);
    if (fact?.valid !== false) continue;
    const message = `Generation ${group.generation} is skipped: ${fact.message}`;
    problems.push({ label: group.path, reason: fact.reason, message });
  }
  for (const { path: label, generation } of refused) {
    const message = `Generation ${generation} is more than ${MAX_GENERATION_JUMP} above the known one and is skipped.`;
    problems.push({ label, reason: "GenerationJump", message });
  }
  return problems;
}
