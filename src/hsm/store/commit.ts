/**
 * Group commit: carries a write plan out. Writes that wait together are created together, proven by one refresh,
 * and cleaned up after together, because on a card each refresh costs seconds.
 */

import type { WriteResult } from "../client.ts";
import { HsmError, isHsmError } from "../errors.ts";
import { planCleanup } from "../record/cleanup.ts";
import { modelOf, type RecordGroup } from "../record/model.ts";
import {
  type CreateOperation,
  type PlannedWrite,
  planWrites,
  type TokenView,
  type WritePlan,
} from "../record/plan.ts";
import { verifyGroup } from "../record/verify.ts";
import type { ObjectToken, OperationOutcome, TokenListing } from "../token.ts";
import { applyAll, readValues } from "./batches.ts";
import type { Snapshot, TokenIndex } from "./token-index.ts";

export interface PendingWrite {
  readonly write: PlannedWrite;
  readonly settle: (result: WriteResult) => void;
}

interface Created {
  readonly pending: PendingWrite;
  readonly group: RecordGroup | undefined;
}

export class Committer {
  readonly #token: ObjectToken;
  readonly #index: TokenIndex;
  /** Objects that the token would not destroy. */
  readonly #stuck = new Set<number>();
  /** Something was created and not proven: only a fresh look at the token tells what is there. */
  unproven = false;

  constructor(token: ObjectToken, index: TokenIndex) {
    this.#token = token;
    this.#index = index;
  }

  /**
   * Commits one group; to be called by one at a time. Settles each write or returns it, to go into the next group.
   */
  async commit(group: readonly PendingWrite[]): Promise<PendingWrite[]> {
    const open = new Set(group);
    try {
      return await this.#commit(group, (pending, result) => {
        open.delete(pending);
        pending.settle(result);
      });
    } catch (cause) {
      this.unproven = true;
      const error = isHsmError(cause) ? cause : internal(cause);
      for (const pending of open) pending.settle({ status: "failed", error });
      return [];
    }
  }

  async #commit(
    group: readonly PendingWrite[],
    settle: (pending: PendingWrite, result: WriteResult) => void,
  ): Promise<PendingWrite[]> {
    const plan = await this.#planWithRoom(group);
    const later: PendingWrite[] = [];
    const creating: { pending: PendingWrite; operations: readonly CreateOperation[] }[] = [];
    for (const [i, pending] of group.entries()) {
      const decision = plan.decisions[i];
      if (decision === undefined || decision.kind === "later") later.push(pending);
      else if (decision.kind === "create") creating.push({ pending, operations: decision.operations });
      else if (decision.kind === "written") settle(pending, written(pending.write));
      else if (decision.kind === "conflict")
        settle(pending, { status: "conflict", current: decision.current });
      else settle(pending, { status: "failed", error: decision.error });
    }
    if (creating.length === 0) return later;

    const outcomes = await applyAll(
      this.#token,
      creating.flatMap(({ operations }) => operations),
    );
    const toProve: PendingWrite[] = [];
    const broken: PendingWrite[] = [];
    let at = 0;
    for (const { pending, operations } of creating) {
      const own = outcomes.slice(at, at + operations.length);
      at += operations.length;
      const failure = failureIn(own);
      if (own.every((outcome) => outcome.kind === "created")) toProve.push(pending);
      else if (failure !== undefined) {
        broken.push(pending);
        settle(pending, { status: "failed", error: failure });
      } else later.push(pending);
    }
    await this.#prove(toProve, broken, settle);
    return later;
  }

  /** A plan for whose records the room is there: what had to give way has gone. */
  async #planWithRoom(group: readonly PendingWrite[]): Promise<WritePlan> {
    for (;;) {
      const plan = await this.#plan(group);
      if (plan.makeRoom.length === 0) return plan;
      const gone = await this.#destroy(plan.makeRoom);
      await this.#index.absorb(await this.#token.list(), false);
      if (gone) return plan;
    }
  }

  /**
   * Destroys one after the other. What the token answers for and will not destroy (on a card: an object whose value
   * is gone) is left alone from then on, so that it never stands in the way of the others; false when there was one.
   */
  async #destroy(ids: readonly number[]): Promise<boolean> {
    let gone = true;
    let rest = ids.filter((id) => !this.#stuck.has(id));
    while (rest.length > 0) {
      const outcomes = await applyAll(
        this.#token,
        rest.map((id) => ({ kind: "destroy" as const, id })),
      );
      const failure = failureIn(outcomes);
      if (failure === undefined) break;
      const at = outcomes.findIndex(({ kind }) => kind === "failed");
      const id = rest[at];
      if (id === undefined || !isHsmError(failure, "Internal")) throw failure;
      this.#stuck.add(id);
      gone = false;
      rest = rest.slice(at + 1);
    }
    return gone;
  }

  async #plan(group: readonly PendingWrite[]): Promise<WritePlan> {
    const writes = group.map(({ write }) => write);
    const plan = planWrites(writes, this.#view(await this.#prepare(group)));
    const full = plan.decisions.some(
      (decision) => decision.kind === "failed" && decision.error.class === "NoSpace",
    );
    if (!full || !this.#index.hasUnconfirmedLeftovers) return plan;
    // What a broken write left may take the very reserve that updates live on: a second look lets it go.
    return planWrites(writes, this.#view(await this.#index.absorb(await this.#token.refresh(), true)));
  }

  /** Knows for certain what is at the paths that shall be written. */
  async #prepare(group: readonly PendingWrite[]): Promise<Snapshot> {
    let snapshot = this.#index.snapshot;
    if (this.unproven) {
      snapshot = await this.#index.absorb(await this.#token.refresh(), true);
      this.unproven = false;
    }
    const groups = group.flatMap(({ write }) => snapshot.model.paths.get(write.path)?.groups ?? []);
    const newer = await this.#index.learnGroups(groups);
    return newer === undefined ? snapshot : await this.#index.absorb(newer, true);
  }

  async #prove(
    writes: readonly PendingWrite[],
    broken: readonly PendingWrite[],
    settle: (pending: PendingWrite, result: WriteResult) => void,
  ): Promise<void> {
    this.unproven = true;
    const looked = this.#token.info().verification === "refresh" || this.#index.hasUnconfirmedLeftovers;
    let listing = looked ? await this.#token.refresh() : await this.#token.list();
    const created = groupsOf(listing, [...writes, ...broken]);
    const values = await readValues(
      this.#token,
      created.slice(0, writes.length).flatMap(({ group }) => [...(group?.ids ?? [])]),
    );
    const proven: PendingWrite[] = [];
    const remove: number[] = [];
    for (const { pending, group } of created) {
      const verdict = group?.complete === true ? verifyGroup(group, (id) => values.get(id)) : undefined;
      if (group !== undefined && verdict?.valid === true && writes.includes(pending)) {
        this.#index.note(group, verdict);
        proven.push(pending);
        continue;
      }
      remove.push(...(group?.ids ?? []));
      if (writes.includes(pending)) settle(pending, { status: "failed", error: notKept() });
    }
    if (remove.length > 0) listing = await this.#remove(remove);
    const snapshot = await this.#index.absorb(listing, looked);
    this.unproven = false;
    await this.#cleanUp(
      proven.map(({ write }) => write),
      snapshot,
    );
    // Answered last: whoever deleted a secret may believe that its old values are gone.
    for (const pending of proven) settle(pending, written(pending.write));
  }

  /** What is not proven goes before anybody can be served it. */
  async #remove(ids: readonly number[]): Promise<TokenListing> {
    await this.#destroy(ids);
    return this.#token.list();
  }

  /** A failure here fails no write: what is left over is history or a leftover, and goes with a later write. */
  async #cleanUp(proven: readonly PlannedWrite[], snapshot: Snapshot): Promise<void> {
    const ids = planCleanup({ proven, view: this.#view(snapshot), foreign: snapshot.model.foreign });
    if (ids.length === 0) return;
    try {
      await this.#destroy(ids);
      await this.#index.absorb(await this.#token.list(), false);
    } catch (cause) {
      if (!isHsmError(cause)) throw cause;
      this.unproven = true;
    }
  }

  #view(snapshot: Snapshot): TokenView {
    return {
      paths: snapshot.paths,
      facts: this.#index.facts,
      objectsUsed: snapshot.model.objectsUsed,
      objectCapacity: this.#token.info().objectCapacity,
      leftovers: snapshot.leftovers,
      stuck: this.#stuck,
    };
  }
}

/** The objects on the token that claim to be each write's record. */
function groupsOf(listing: TokenListing, pending: readonly PendingWrite[]): Created[] {
  const paths = new Set(pending.map(({ write }) => write.path));
  const objects = listing.objects.filter(({ label }) => label !== null && paths.has(label));
  const model = modelOf({ ...listing, objects });
  return pending.map((one) => {
    const { path, digest, generation, parts } = one.write;
    const group = model.paths
      .get(path)
      ?.groups.find((g) => g.digest === digest && g.generation === generation && g.count === parts.length);
    return { pending: one, group };
  });
}

function failureIn(outcomes: readonly OperationOutcome[]): HsmError | undefined {
  for (const outcome of outcomes) if (outcome.kind === "failed") return outcome.error;
  return undefined;
}

function written(write: PlannedWrite): WriteResult {
  return { status: "written", generation: write.generation, digest: write.digest };
}

function notKept(): HsmError {
  return new HsmError(
    "NoSpace",
    "The token said that it stored the secret, but does not hold it: it is full or failing. The write was removed again.",
    { operation: "write" },
  );
}

function internal(cause: unknown): HsmError {
  return new HsmError("Internal", "The write failed for a reason that is not the token's.", {
    operation: "write",
    cause,
  });
}
