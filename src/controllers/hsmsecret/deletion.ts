/**
 * What happens when an HSMSecret goes. Two rules stand above all policies: the token's data goes only where this
 * HSMSecret is the one that synced it, and the Secret goes only where the token is known to hold its content (or
 * where the person asked for both to go).
 */

import { FINALIZER } from "../../crd/names.ts";
import type { Action, Plan, PlannedEvent } from "./facts.ts";
import { carries, releaseMarks } from "./ownership.ts";
import { done, expectation, isOwned, mark, seen, warning } from "./steps.ts";
import type { View } from "./view.ts";

export function planDeletion(view: View): Plan {
  const { owner } = view.facts;
  if (!owner.finalizers.includes(FINALIZER)) return ended();
  const token = tokenStep(view);
  if (token.kind !== "go") return token.plan;
  const secret = secretStep(view, token.gone);
  if (secret !== undefined) return secret;
  return { kind: "act", actions: [{ kind: "removeFinalizer" }], events: token.events };
}

type TokenStep =
  /** `gone`: the person wanted the token's data to go, and it has. */
  | { readonly kind: "go"; readonly gone: boolean; readonly events: readonly PlannedEvent[] }
  | { readonly kind: "first"; readonly plan: Plan };

function tokenStep(view: View): TokenStep {
  const { facts, base } = view;
  const { token, spec, path } = facts;
  if (spec.deletionPolicy === "Retain" || spec.direction === "HSMToSecret") return keep();
  if (!facts.pathAllowed || facts.rivals.path !== undefined || base === undefined) {
    return keep(`The data at ${path} stays on the token: this HSMSecret has not synced it.`);
  }
  if (token.state === "failed") return first(waiting(view, token.message));
  if (token.state === "absent" || token.deleted) return { kind: "go", gone: true, events: [] };
  if (view.tokenRelation === "unread") return first({ kind: "read" });
  if (view.tokenRelation === "replaced" || token.conflict) {
    return keep(`The data at ${path} stays on the token: it is not what this HSMSecret has synced.`);
  }
  const tombstone: Action = {
    kind: "writeToken",
    keys: null,
    meta: undefined,
    expect: expectation(token),
    why: "Deleted",
  };
  const event = done("TokenDeleted", "WriteToken", `Deleted ${path} on the token, as deletionPolicy says.`);
  return first({ kind: "act", actions: [tombstone], events: [event] });
}

function keep(note?: string): TokenStep {
  return {
    kind: "go",
    gone: false,
    events: note === undefined ? [] : [warning("TokenDataKept", "Delete", note)],
  };
}

function first(plan: Plan): TokenStep {
  return { kind: "first", plan };
}

/** The token cannot be reached, and the person wants its data gone: wait, and name the way out. */
function waiting(view: View, message: string): Plan {
  const note = `Deletion waits until ${view.facts.path} is deleted on the token (${message}) To let go without it, set spec.deletionPolicy to Retain.`;
  const { status } = view.facts;
  const told = status.lastError === note;
  return {
    kind: "rest",
    status: told ? status : { ...status, syncStatus: "Pending", lastError: note },
    events: told ? [] : [warning("DeletionWaits", "Delete", note)],
    annotations: {},
    requeue: "backoff",
  };
}

function secretStep(view: View, tokenGone: boolean): Plan | undefined {
  const { facts, ownership } = view;
  const { secret, spec } = facts;
  if (secret.state === "absent" || secret.deleting) return undefined;
  if (ownership !== "ours" && ownership !== "former") return undefined;
  if (spec.direction !== "SecretToHSM" && isOwned(view)) {
    if (tokenGone || holdsContent(view)) {
      return {
        kind: "act",
        actions: [{ kind: "deleteSecret", seen: seen(secret) }],
        events: [done("SecretDeleted", "DeleteSecret", "Deleted the Secret, as secretDeletionPolicy says.")],
      };
    }
    return released(view, [
      warning(
        "SecretKept",
        "MarkSecret",
        "The Secret stays, as the token is not known to hold its content. It belongs to nobody now.",
      ),
    ]);
  }
  return released(view, [done("SecretKept", "MarkSecret", "The Secret stays. It belongs to nobody now.")]);
}

/** Gives the Secret free, so that the collector does not take it with the HSMSecret. */
function released(view: View, events: readonly PlannedEvent[]): Plan | undefined {
  const { secret } = view.facts;
  if (secret.state === "absent") return undefined;
  const marks = releaseMarks(view.facts);
  if (carries(secret, marks, undefined)) return undefined;
  return { kind: "act", actions: [mark(secret, marks, "Release")], events };
}

/** The token's listing or value says that what is in the Secret is on the token (or newer data in its place). */
function holdsContent(view: View): boolean {
  const { token, secret } = view.facts;
  if (token.state !== "present" || token.deleted || secret.state === "absent") return false;
  if (view.mapped?.ok === true && view.mapped.checksum === secret.checksum) return true;
  return (
    view.secretRelation === "same" && (view.tokenRelation === "same" || view.tokenRelation === "advanced")
  );
}

function ended(): Plan {
  return { kind: "rest", status: undefined, events: [], annotations: {}, requeue: "never" };
}
