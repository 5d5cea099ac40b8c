/**
 * The write plan: from what is on the token to what shall be created, and what must give way for it. Pure.
 *
 * Three phases, carried out by store/commit.ts: create the parts of the new records; prove them; only then destroy
 * (cleanup.ts) what the proof showed and nobody needs any more. Nothing of the served generation is touched before
 * the next one is proven, so that power may go at any call.
 */

import type { Expectation, ListEntry } from "../client.ts";
import { HsmError } from "../errors.ts";
import type { ObjectOperation } from "../token.ts";
import { formatApplication } from "./application.ts";
import { MAX_GENERATION_JUMP } from "./build.ts";
import { type Causal, descends } from "./clock.ts";
import type { RecordGroup } from "./model.ts";
import type { Facts, ResolvedPath } from "./resolve.ts";

/** One write, decoded and cut into parts. */
export interface PlannedWrite extends Causal {
  readonly path: string;
  readonly generation: number;
  /** First 32 hex digits of the record's SHA-256. */
  readonly digest: string;
  readonly state: "live" | "dead";
  /** Pool id of the record, 32 hex digits. */
  readonly pool: string;
  readonly parts: readonly Uint8Array[];
  readonly expect: Expectation;
  readonly historyLimit: number;
}

/** What is on the token, and what is known of it. */
export interface TokenView {
  readonly paths: ReadonlyMap<string, ResolvedPath>;
  readonly facts: Facts;
  /** Objects of every class, ours or not. */
  readonly objectsUsed: number;
  readonly objectCapacity: number;
  /** Leftovers that a second refresh showed again: they may go at any time. */
  readonly leftovers: readonly number[];
  /** Objects that the token would not destroy: they take their room for good. */
  readonly stuck?: ReadonlySet<number> | undefined;
}

export type CreateOperation = Extract<ObjectOperation, { kind: "create" }>;

export type Decision =
  /** This very record is on the token: a retry has succeeded. */
  | { readonly kind: "written" }
  | { readonly kind: "conflict"; readonly current: ListEntry | undefined }
  | { readonly kind: "failed"; readonly error: HsmError }
  /** Wait for the next group: the same path is written in this one, or it makes the room that is missing. */
  | { readonly kind: "later" }
  | { readonly kind: "create"; readonly operations: readonly CreateOperation[] };

export interface WritePlan {
  /** One a write, in order. */
  readonly decisions: readonly Decision[];
  /** Leftovers, then history, oldest first: destroyed before anything is created, as the token is full. */
  readonly makeRoom: readonly number[];
}

export function planWrites(writes: readonly PlannedWrite[], view: TokenView): WritePlan {
  const room = new Room(view);
  const busy = new Set<string>();
  const decisions = writes.map((write): Decision => {
    if (busy.has(write.path)) return { kind: "later" };
    const decision = judge(write, view) ?? room.take(write, view.paths.get(write.path));
    if (decision.kind === "create") busy.add(write.path);
    return decision;
  });
  return { decisions, makeRoom: room.evicted };
}

/** What the records at the path say to this write; `undefined` when nothing stands against it. */
function judge(write: PlannedWrite, view: TokenView): Decision | undefined {
  const path = view.paths.get(write.path);
  const entry = path?.entry;
  const records = path === undefined ? [] : [...headsOf(path), ...path.history];
  if (records.some((g) => g.digest === write.digest && view.facts.get(g.key)?.valid === true)) {
    return { kind: "written" };
  }
  if (!meets(write.expect, entry)) return { kind: "conflict", current: entry };
  if (entry !== undefined && write.generation > entry.generation + MAX_GENERATION_JUMP) {
    const message = `Generation ${write.generation} is more than ${MAX_GENERATION_JUMP} above the known one.`;
    return { kind: "failed", error: new HsmError("BadInput", message, { operation: "write" }) };
  }
  // Whoever built this record did not know of one that descends from it, or gave a dot away twice.
  const stale = records.some((group) => {
    const fact = view.facts.get(group.key);
    return fact?.valid === true && (descends(fact, write) || sameDot(fact, write));
  });
  return stale ? { kind: "conflict", current: entry } : undefined;
}

function headsOf(path: ResolvedPath): RecordGroup[] {
  return path.served === undefined ? [] : [path.served, ...path.conflicts];
}

function sameDot(a: Causal, b: Causal): boolean {
  return a.dot[0] === b.dot[0] && a.dot[1] === b.dot[1];
}

function meets(expect: Expectation, entry: ListEntry | undefined): boolean {
  if (expect.kind === "any") return true;
  if (expect.kind === "absent" || expect.generation === 0) return entry === undefined;
  if (entry?.generation !== expect.generation) return false;
  return expect.digest === undefined || expect.digest === entry.digest;
}

/** Who may take how many of the token's objects, and who gives way. */
class Room {
  readonly evicted: number[] = [];
  readonly #capacity: number;
  readonly #facts: Facts;
  readonly #evictable: (readonly number[])[];
  /** Objects while the group is written: the new ones beside the old ones. */
  #used: number;
  /** Objects that will not give way: everything but leftovers and history. */
  #lasting: number;
  #planned = 0;

  constructor(view: TokenView) {
    this.#capacity = view.objectCapacity;
    this.#facts = view.facts;
    this.#used = view.objectsUsed;
    this.#evictable = evictable(view);
    this.#lasting = view.objectsUsed - this.#evictable.reduce((sum, ids) => sum + ids.length, 0);
  }

  take(write: PlannedWrite, path: ResolvedPath | undefined): Decision {
    const need = write.parts.length;
    const growth = need - replaced(write, path, this.#facts);
    // One object's room is a reserve: it lets a full token's secrets be changed and deleted.
    const fits = growth <= 0 || write.state === "dead" || this.#lasting + growth <= this.#capacity - 1;
    const victims = fits ? this.#victims(this.#used + need - this.#capacity) : undefined;
    if (victims === undefined) return this.#refuse(need);
    for (const ids of victims) {
      this.evicted.push(...ids);
      this.#used -= ids.length;
    }
    this.#evictable.splice(0, victims.length);
    this.#used += need;
    this.#lasting += growth;
    this.#planned += 1;
    return { kind: "create", operations: operationsOf(write) };
  }

  /** The fewest victims, oldest first, that free `missing` objects; `undefined` when all are not enough. */
  #victims(missing: number): (readonly number[])[] | undefined {
    const victims: (readonly number[])[] = [];
    let freed = 0;
    for (const ids of this.#evictable) {
      if (freed >= missing) break;
      victims.push(ids);
      freed += ids.length;
    }
    return freed >= missing ? victims : undefined;
  }

  #refuse(need: number): Decision {
    if (this.#planned > 0) return { kind: "later" };
    const error =
      need >= this.#capacity
        ? new HsmError(
            "TooLarge",
            `This secret takes ${need} objects; the token holds ${this.#capacity} in all.`,
            {
              operation: "write",
            },
          )
        : new HsmError(
            "NoSpace",
            `The token is full: this write needs ${need} more of its ${this.#capacity} objects, ${this.#used} are taken.`,
            { operation: "write" },
          );
    return { kind: "failed", error };
  }
}

/** Objects of heads that the new record makes history of: they will give way when they must. */
function replaced(write: PlannedWrite, path: ResolvedPath | undefined, facts: Facts): number {
  if (path === undefined) return 0;
  const behind = headsOf(path).filter((group) => {
    const fact = facts.get(group.key);
    return fact?.valid === true && descends(write, fact);
  });
  return behind.reduce((sum, group) => sum + group.ids.length, 0);
}

function evictable(view: TokenView): (readonly number[])[] {
  const damaged: (readonly number[])[] = [];
  const history: { ids: readonly number[]; depth: number; time: string }[] = [];
  for (const path of view.paths.values()) {
    if (path.served === undefined) continue;
    damaged.push(...path.corrupt.map(({ ids }) => ids));
    for (const [depth, group] of path.history.entries()) {
      const fact = view.facts.get(group.key);
      history.push({ ids: group.ids, depth, time: fact?.valid === true ? fact.time : "" });
    }
  }
  // The path with the longest history gives first, so that nobody loses the last step back before others must.
  history.sort((a, b) => b.depth - a.depth || (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  const taken = new Set<number>([...damaged.flat(), ...history.flatMap(({ ids }) => ids)]);
  const leftovers = view.leftovers.filter((id) => !taken.has(id)).map((id) => [id]);
  return [...leftovers, ...damaged, ...history.map(({ ids }) => ids)]
    .map((ids) => ids.filter((id) => view.stuck?.has(id) !== true))
    .filter((ids) => ids.length > 0);
}

function operationsOf(write: PlannedWrite): CreateOperation[] {
  const count = write.parts.length;
  return write.parts.map((value, i) => ({
    kind: "create",
    label: write.path,
    application: formatApplication({
      generation: write.generation,
      index: i + 1,
      count,
      digest: write.digest,
      state: write.state,
    }),
    value,
  }));
}
