/**
 * The sync decision: from what was observed to what shall be done next. Pure. The reconciler carries a plan's
 * actions out, puts what came of them into the facts, and plans again until a plan rests; so a base moves only when
 * both sides were proven equal, and after a crash at any point the same function goes on from what is there.
 */

import type { HsmSecretStatus } from "../../crd/hsmsecret-status.ts";
import {
  ANNOTATION_RESOLVE,
  ANNOTATION_ROLLBACK,
  ANNOTATION_SYNC_DONE,
  ANNOTATION_SYNC_NOW,
  FINALIZER,
} from "../../crd/names.ts";
import { type Settled, statusFor } from "./conditions.ts";
import { decide } from "./decide.ts";
import { planDeletion } from "./deletion.ts";
import type { Action, Checksums, Facts, OwnerFacts, Plan, PlannedEvent } from "./facts.ts";
import { marksFor, releaseMarks } from "./ownership.ts";
import { rollback } from "./rollback.ts";
import { isOwned, mark } from "./steps.ts";
import { type ErrorVerdict, fail, type Verdict } from "./verdict.ts";
import { type View, viewOf } from "./view.ts";

export function plan(facts: Facts, checksums: Checksums): Plan {
  const view = viewOf(facts, checksums);
  if (facts.owner.deleting) return planDeletion(view);
  const first = safetyFirst(view);
  if (first !== undefined) return { kind: "act", actions: [first], events: [] };
  const refusal = refused(facts);
  if (refusal !== undefined) return rest(view, refusal, []);
  const finalizer = finalizerStep(facts);
  if (finalizer !== undefined) return { kind: "act", actions: [finalizer], events: [] };
  // Who asks for a sync now wants what is on the token now.
  if (isAsked(facts.owner) && facts.token.state !== "failed" && facts.looked !== true)
    return { kind: "read" };
  let verdict: Verdict = decide(view);
  const rolling = verdict.kind === "inSync" ? rollback(view) : { kind: "none" as const };
  if (rolling.kind === "step") verdict = rolling.verdict;
  if (verdict.kind === "act" && isHeld(facts.owner, facts.spec.autoSync) && !isSafe(verdict.actions)) {
    verdict = {
      kind: "outOfSync",
      reason: "AutoSyncOff",
      message:
        "The two sides differ and autoSync is off: give the annotation hsm.j5t.io/sync-now a new value.",
    };
  }
  if (verdict.kind === "read" || verdict.kind === "act") return verdict;
  return rest(view, verdict, rolling.kind === "over" ? rolling.events : []);
}

/** A spec that cannot be served: nothing is looked at, and the status says why. */
export function planRefused(input: {
  readonly owner: OwnerFacts;
  readonly status: HsmSecretStatus;
  readonly secretName: string;
  readonly reason: "InvalidSpec" | "PathTooLong";
  readonly message: string;
  readonly now: number;
}): Plan {
  const { owner, secretName, now } = input;
  const verdict = fail(input.reason, input.message);
  const { status, events } = statusFor({ owner, prior: input.status, secretName, verdict, now });
  return { kind: "rest", status, events, annotations: {}, requeue: "never" };
}

/** An action failed; what is known stays, and the status says what happened. */
export function planFailed(facts: Facts, checksums: Checksums, failure: ErrorVerdict): Plan {
  return rest(viewOf(facts, checksums), failure, []);
}

/**
 * What cannot wait for anything, not even for the token: a Secret that the collector is about to take because its
 * HSMSecret was replaced, and one that has become somebody else's by the direction.
 */
function safetyFirst(view: View): Action | undefined {
  const { facts, ownership } = view;
  const { secret, spec } = facts;
  if (secret.state === "absent" || ownership === undefined || ownership === "others") return undefined;
  if (spec.direction === "SecretToHSM") return mark(secret, releaseMarks(facts), "Release");
  if (ownership === "former") return mark(secret, marksFor(facts, view.base, isOwned(view)), "Reown");
  return undefined;
}

function refused(facts: Facts): Settled | undefined {
  const { path, owner, rivals, spec } = facts;
  if (!facts.pathAllowed) {
    return fail("PathNotAllowed", `HSMSecrets of namespace ${owner.namespace} may not use the path ${path}.`);
  }
  if (rivals.path !== undefined && spec.direction !== "HSMToSecret") {
    return fail("PathNotAllowed", `The path ${path} is written by the elder HSMSecret ${rivals.path}.`);
  }
  if (rivals.secret !== undefined && spec.direction !== "SecretToHSM") {
    return fail("SecretExists", `The Secret belongs to the elder HSMSecret ${rivals.secret}.`);
  }
  return undefined;
}

/** Directions that write the token have the finalizer before their first write. */
function finalizerStep(facts: Facts): Action | undefined {
  const has = facts.owner.finalizers.includes(FINALIZER);
  const wants = facts.spec.direction !== "HSMToSecret";
  if (wants === has) return undefined;
  return { kind: wants ? "addFinalizer" : "removeFinalizer" };
}

/** autoSync is off and nobody has asked for a sync since. */
function isHeld(owner: OwnerFacts, autoSync: boolean): boolean {
  return !autoSync && !isAsked(owner);
}

function isAsked(owner: OwnerFacts): boolean {
  const asked = owner.annotations[ANNOTATION_SYNC_NOW];
  return asked !== undefined && asked !== owner.annotations[ANNOTATION_SYNC_DONE];
}

function isSafe(actions: readonly Action[]): boolean {
  return actions.every((action) => action.kind === "markSecret" && action.why === "LastCopy");
}

function rest(view: View, verdict: Settled, extra: readonly PlannedEvent[]): Plan {
  const { facts } = view;
  const { status, events } = statusFor({
    owner: facts.owner,
    prior: facts.status,
    secretName: facts.spec.secretName ?? facts.owner.name,
    verdict,
    view,
    now: facts.now,
  });
  return {
    kind: "rest",
    status,
    events: [...extra, ...events],
    annotations: answered(facts.owner, verdict),
    requeue: verdict.kind === "error" && verdict.retry ? "backoff" : "interval",
  };
}

/** Annotations that were acted upon. A failure answers nothing: it is tried again. */
function answered(owner: OwnerFacts, verdict: Settled): Readonly<Record<string, string | null>> {
  const { annotations } = owner;
  if (verdict.kind === "error") return {};
  const answers: Record<string, string | null> = {};
  const asked = annotations[ANNOTATION_SYNC_NOW];
  // Kept with a mark beside it, not removed: whoever applies the annotation from a file would bring it back.
  if (asked !== undefined && asked !== annotations[ANNOTATION_SYNC_DONE])
    answers[ANNOTATION_SYNC_DONE] = asked;
  if (verdict.kind !== "inSync" && !(verdict.kind === "wait" && verdict.reason === "Deleted")) return answers;
  // One decision for one conflict, one rollback for one wish: left there they would decide the next one unseen.
  if (annotations[ANNOTATION_RESOLVE] !== undefined) answers[ANNOTATION_RESOLVE] = null;
  if (annotations[ANNOTATION_ROLLBACK] !== undefined) answers[ANNOTATION_ROLLBACK] = null;
  return answers;
}
