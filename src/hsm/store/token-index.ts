/**
 * The store's picture of its token: an immutable snapshot that is replaced in one step, so that a reader sees the
 * token before a change or after it, and never nothing in between.
 */

import type { ListEntry, ListProblem } from "../client.ts";
import { HsmError } from "../errors.ts";
import { type ForeignMetadata, type ForeignSecret, parseForeignMetadata } from "../record/foreign.ts";
import { ModelCache, type PathObjects, type RecordGroup, type TokenModel } from "../record/model.ts";
import { POOL_PATH, type SecretRecord } from "../record/record.ts";
import { factOf, type RecordFact, type ResolvedPath, resolvePath, unknownGroups } from "../record/resolve.ts";
import { type Verified, verifyGroup } from "../record/verify.ts";
import type { ObjectToken, TokenListing } from "../token.ts";
import { readValues, readWhatCanBeRead } from "./batches.ts";

export interface Snapshot {
  readonly model: TokenModel;
  readonly paths: ReadonlyMap<string, ResolvedPath>;
  /** Every path but `_pool`: records, and per-key objects where there is no record. Sorted. */
  readonly entries: ReadonlyMap<string, ListEntry>;
  readonly problems: readonly ListProblem[];
  /** Opaque; equal ones mean equal listings. */
  readonly version: string;
  readonly leftovers: readonly number[];
}

export class TokenIndex {
  readonly #token: ObjectToken;
  readonly #instance: string;
  readonly #onChange: (snapshot: Snapshot, paths: readonly string[]) => void;
  readonly #models = new ModelCache();
  readonly #facts = new Map<string, RecordFact>();
  readonly #foreign = new Map<number, ForeignMetadata>();
  /** Highest generation accepted at each path in this process. */
  readonly #known = new Map<string, number>();
  /** Leftovers, and in how many looks at the token each was seen. */
  #seen = new Map<number, number>();
  /** Paths of which something was found out since they were resolved. */
  readonly #stale = new Set<string>();
  #snapshot: Snapshot | undefined;
  #changes = 0;

  /** `instance` tells the versions of this process from those of others. */
  constructor(
    token: ObjectToken,
    instance: string,
    onChange: (snapshot: Snapshot, paths: readonly string[]) => void,
  ) {
    this.#token = token;
    this.#instance = instance;
    this.#onChange = onChange;
  }

  get snapshot(): Snapshot {
    if (this.#snapshot === undefined)
      throw new HsmError("Internal", "The index is not loaded.", { operation: "list" });
    return this.#snapshot;
  }

  get facts(): ReadonlyMap<string, RecordFact> {
    return this.#facts;
  }

  /**
   * Takes a listing in. `looked`: the token itself was asked (opening, refresh), so that what is incomplete now
   * counts as seen once more.
   */
  async absorb(listing: TokenListing, looked: boolean): Promise<Snapshot> {
    const model = await this.#learned(listing);
    const before = this.#snapshot;
    const paths = new Map(before?.paths);
    for (const path of this.#stale) {
      const objects = model.paths.get(path);
      this.#prune(before?.paths.get(path), objects);
      if (objects === undefined) {
        paths.delete(path);
        continue;
      }
      const resolved = resolvePath(objects, this.#facts, this.#known.get(path) ?? 0);
      paths.set(path, resolved);
      const generation = resolved.entry?.generation ?? 0;
      if (generation > (this.#known.get(path) ?? 0)) this.#known.set(path, generation);
    }
    const leftovers = this.#leftovers(model, paths, looked);
    const { entries, changed } = this.#entries(model, paths);
    this.#stale.clear();
    for (const id of this.#foreign.keys()) if (!model.ids.has(id)) this.#foreign.delete(id);
    const problems = [...model.problems];
    for (const path of paths.values()) if (path.problems.length > 0) problems.push(...path.problems);
    const same =
      before !== undefined &&
      changed.length === 0 &&
      before.model.objectsUsed === model.objectsUsed &&
      sameProblems(before.problems, problems);
    if (!same) this.#changes += 1;
    const snapshot = {
      model,
      paths,
      entries,
      problems,
      leftovers,
      version: `${this.#instance}.${this.#changes}`,
    };
    this.#snapshot = snapshot;
    if (before !== undefined && changed.length > 0) this.#onChange(snapshot, changed);
    return snapshot;
  }

  /** Each round either knows more of the records that are there, or finds them gone. */
  async #learned(listing: TokenListing): Promise<TokenModel> {
    for (let latest: TokenListing | undefined = listing; ; ) {
      const { model, changed } = this.#models.update(latest);
      for (const path of changed) this.#stale.add(path);
      latest = await this.#learn(model);
      if (latest === undefined) return model;
    }
  }

  /** What was found out by reading: the record's clock, or that it is damaged. Takes effect with the next absorb. */
  note(group: RecordGroup, verified: Verified): void {
    this.#facts.set(group.key, factFrom(group, verified));
    this.#stale.add(group.path);
  }

  /**
   * Reads and notes the records of which nothing is known yet. A record counts as damaged only when a fresh look at
   * the token shows it damaged again: a card that is pulled returns half a value with CKR_OK. The listing of that
   * second look is returned; the caller goes on with it.
   */
  async learnGroups(groups: readonly RecordGroup[]): Promise<TokenListing | undefined> {
    const unknown = groups.filter((group) => group.complete && factOf(group, this.#facts) === undefined);
    const suspects = await this.#readAndNote(unknown);
    if (suspects.length === 0) return undefined;
    const listing = await this.#token.refresh();
    const there = new Set(listing.objects.map(({ id }) => id));
    const still = suspects
      .map(({ group }) => group)
      .filter((group) => group.ids.every((id) => there.has(id)));
    for (const { group, verdict } of await this.#readAndNote(still)) this.note(group, verdict);
    return listing;
  }

  /** A record that did not verify where nobody would expect it: looks at the token anew. */
  async suspect(group: RecordGroup): Promise<TokenListing> {
    this.#facts.delete(group.key);
    this.#stale.add(group.path);
    return (await this.learnGroups([group])) ?? this.#token.list();
  }

  /** Notes the groups that verify, and returns the others. */
  async #readAndNote(groups: readonly RecordGroup[]): Promise<{ group: RecordGroup; verdict: Verified }[]> {
    if (groups.length === 0) return [];
    const ids = groups.flatMap((group) => [...group.ids]);
    const values = await readWhatCanBeRead(this.#token, ids);
    const suspects: { group: RecordGroup; verdict: Verified }[] = [];
    for (const group of groups) {
      const verdict = verifyGroup(group, (id) => values.get(id));
      if (verdict.valid) this.note(group, verdict);
      else suspects.push({ group, verdict });
    }
    return suspects;
  }

  async #learn(model: TokenModel): Promise<TokenListing | undefined> {
    const groups = Array.from(this.#stale).flatMap((path) => {
      const objects = model.paths.get(path);
      return objects === undefined ? [] : unknownGroups(objects, this.#facts);
    });
    const newer = await this.learnGroups(groups);
    if (newer !== undefined) return newer;
    const metadata = Array.from(model.foreign.secrets.values(), (secret) => secret.metadata).filter(
      (id): id is number => id !== undefined && !this.#foreign.has(id),
    );
    if (metadata.length === 0) return undefined;
    const values = await readValues(this.#token, metadata);
    for (const id of metadata) this.#foreign.set(id, parseForeignMetadata(values.get(id)));
    return undefined;
  }

  foreignMetadata(id: number | undefined): ForeignMetadata {
    return (id === undefined ? undefined : this.#foreign.get(id)) ?? parseForeignMetadata(undefined);
  }

  /** True when something incomplete was seen once: a second look would let it be swept. */
  get hasUnconfirmedLeftovers(): boolean {
    return [...this.#seen.values()].some((times) => times < 2);
  }

  #leftovers(model: TokenModel, paths: ReadonlyMap<string, ResolvedPath>, looked: boolean): number[] {
    const seen = new Map<number, number>();
    const add = (id: number) => seen.set(id, (this.#seen.get(id) ?? 0) + (looked ? 1 : 0));
    for (const path of paths.values()) {
      for (const group of path.incomplete) group.ids.forEach(add);
      for (const group of [path.served, ...path.conflicts, ...path.history]) {
        if (group === undefined || group.ids.length === group.count) continue;
        const fact = this.#facts.get(group.key);
        if (fact?.valid !== true || !fact.ids.every((id) => model.ids.has(id))) continue;
        for (const id of group.ids) if (!fact.ids.includes(id)) add(id);
      }
    }
    this.#seen = seen;
    return [...seen].filter(([, times]) => times >= 2).map(([id]) => id);
  }

  /** Only paths that changed, and foreign ones, are looked at; the order is kept where none came or went. */
  #entries(
    model: TokenModel,
    paths: ReadonlyMap<string, ResolvedPath>,
  ): { entries: ReadonlyMap<string, ListEntry>; changed: string[] } {
    const before = this.#snapshot?.entries ?? new Map<string, ListEntry>();
    const foreignBefore = this.#snapshot?.model.foreign.secrets ?? new Map<string, ForeignSecret>();
    const candidates = new Set([...this.#stale, ...model.foreign.secrets.keys(), ...foreignBefore.keys()]);
    candidates.delete(POOL_PATH);
    const entries = new Map(before);
    const changed: string[] = [];
    let reordered = false;
    for (const path of candidates) {
      const old = before.get(path);
      const entry = paths.get(path)?.entry ?? this.#foreignEntry(model.foreign.secrets.get(path));
      if (entry === undefined) reordered = entries.delete(path) || reordered;
      else {
        entries.set(path, entry);
        if (old === undefined) reordered = true;
      }
      if (!sameEntry(old, entry)) changed.push(path);
    }
    if (changed.length === 0) return { entries: before, changed };
    if (!reordered) return { entries, changed };
    return { entries: new Map(Array.from(entries).sort(([a], [b]) => (a < b ? -1 : 1))), changed };
  }

  #foreignEntry(secret: ForeignSecret | undefined): ListEntry | undefined {
    if (secret === undefined) return undefined;
    return {
      path: secret.path,
      kind: "foreign",
      generation: 0,
      digest: "",
      state: this.foreignMetadata(secret.metadata).deleted ? "dead" : "live",
      objects: secret.objects,
      records: 0,
      conflict: false,
    };
  }

  /** Facts of records that are gone are of no use; a listing that shows them again costs one read. */
  #prune(before: ResolvedPath | undefined, now: PathObjects | undefined): void {
    if (before === undefined) return;
    const keys = new Set(now?.groups.map(({ key }) => key));
    for (const group of everyGroup(before)) if (!keys.has(group.key)) this.#facts.delete(group.key);
  }
}

function everyGroup(path: ResolvedPath): RecordGroup[] {
  const served = path.served === undefined ? [] : [path.served];
  return [
    ...served,
    ...path.conflicts,
    ...path.history,
    ...path.incomplete,
    ...path.corrupt,
    ...path.refused,
  ];
}

function factFrom(group: RecordGroup, verified: Verified): RecordFact {
  if (!verified.valid) {
    return { valid: false, reason: verified.reason, message: verified.message, ids: group.ids };
  }
  const { dot, clock, time, writer }: SecretRecord = verified.record;
  return { valid: true, dot, clock, time, writer, ids: verified.ids };
}

function sameEntry(a: ListEntry | undefined, b: ListEntry | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return (Object.keys(b) as (keyof ListEntry)[]).every((field) => a[field] === b[field]);
}

function sameProblems(a: readonly ListProblem[], b: readonly ListProblem[]): boolean {
  return a.length === b.length && a.every((p, i) => p.label === b[i]?.label && p.message === b[i]?.message);
}
