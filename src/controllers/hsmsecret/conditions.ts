/** From a verdict to the status: conditions, checksums, and the one event that tells of a change. Pure. */

import type { Base, HsmSecretStatus, SyncStatus } from "../../crd/hsmsecret-status.ts";
import { type Condition, findCondition, setCondition, timeOf } from "../../kube/conditions.ts";
import { equal } from "../../kube/status.ts";
import type { OwnerFacts, PlannedEvent } from "./facts.ts";
import { warning } from "./steps.ts";
import type { Verdict } from "./verdict.ts";
import type { View } from "./view.ts";

export type Settled = Exclude<Verdict, { kind: "read" } | { kind: "act" }>;

export interface StatusInput {
  readonly owner: OwnerFacts;
  readonly prior: HsmSecretStatus;
  readonly secretName: string;
  readonly verdict: Settled;
  /** Absent when the spec was refused before anything was looked at. */
  readonly view?: View | undefined;
  readonly now: number;
}

const SYNC_STATUS: Readonly<Record<Settled["kind"], SyncStatus>> = {
  inSync: "InSync",
  wait: "Pending",
  conflict: "OutOfSync",
  outOfSync: "OutOfSync",
  error: "Error",
};

export function statusFor(input: StatusInput): {
  readonly status: HsmSecretStatus;
  readonly events: readonly PlannedEvent[];
} {
  const { owner, prior, verdict, now } = input;
  const base =
    verdict.kind === "inSync" || verdict.kind === "wait" ? (verdict.base ?? prior.base) : prior.base;
  const moved = verdict.kind === "inSync" && !sameContent(prior.base, verdict.base);
  const reason = verdict.kind === "inSync" ? "InSync" : verdict.reason;
  const message =
    verdict.kind === "inSync" ? "The token and the Secret hold the same." : inOneLine(verdict.message);
  const next: HsmSecretStatus = {
    ...prior,
    ...sides(input, base),
    syncStatus: SYNC_STATUS[verdict.kind],
    base,
    lastSyncTime:
      moved || (verdict.kind === "inSync" && prior.lastSyncTime === undefined)
        ? timeOf(now)
        : prior.lastSyncTime,
    lastError: verdict.kind === "inSync" || verdict.kind === "wait" ? undefined : message,
    secretRef: { name: input.secretName, namespace: owner.namespace },
    observedGeneration: owner.generation,
    conditions: [...conditions(input, reason, message)],
  };
  return { status: differs(prior, next) ? next : prior, events: telling(input, reason, message) };
}

function conditions(input: StatusInput, reason: string, message: string): readonly Condition[] {
  const { prior, owner, now, verdict } = input;
  const observedGeneration = owner.generation;
  const good = verdict.kind === "inSync";
  let list = (prior.conditions ?? []) as readonly Condition[];
  for (const type of ["Ready", "Synced"]) {
    list = setCondition(
      list,
      { type, status: good ? "True" : "False", reason, message, observedGeneration },
      now,
    );
  }
  // A side that could not be looked at says nothing about a conflict: what was known stays.
  if (verdict.kind === "error" && findCondition(list, "Conflict") !== undefined) return list;
  const inConflict = verdict.kind === "conflict";
  return setCondition(
    list,
    {
      type: "Conflict",
      status: inConflict ? "True" : "False",
      reason: inConflict ? reason : "NoConflict",
      message: inConflict ? withChecksums(message, input.view) : "",
      observedGeneration,
    },
    now,
  );
}

function withChecksums(message: string, view: View | undefined): string {
  if (view === undefined) return message;
  const { token, secret } = checksumsOf(view);
  return `${message} Token: ${token ?? "not read"}; Secret: ${secret ?? "absent"}. Set the annotation hsm.j5t.io/resolve to hsm or secret.`;
}

/** What is known of each side; what could not be looked at keeps its last value. */
function sides(input: StatusInput, base: Base | undefined): Partial<HsmSecretStatus> {
  const { view, verdict, prior } = input;
  if (view === undefined || verdict.kind === "error") return {};
  const { token } = view.facts;
  const known = checksumsOf(view);
  const unread = token.state === "present" && known.token === undefined;
  return {
    hsmChecksum: verdict.kind === "inSync" ? base?.checksum : unread ? prior.hsmChecksum : known.token,
    secretChecksum: known.secret,
    hsmGeneration: token.state === "present" ? token.generation : undefined,
  };
}

function checksumsOf(view: View): {
  readonly token: string | undefined;
  readonly secret: string | undefined;
} {
  const { secret, token } = view.facts;
  const fromBase =
    view.tokenRelation === "same" && token.state === "present" ? view.base?.checksum : undefined;
  return {
    token: view.mapped?.ok === true ? view.mapped.checksum : fromBase,
    secret: secret.state === "present" ? secret.checksum : undefined,
  };
}

/** Equal but for the versions of the Secret: its metadata changed, nothing was synced. */
function sameContent(a: Base | undefined, b: Base | undefined): boolean {
  const content = (base: Base | undefined) => base && { ...base, secretResourceVersion: undefined };
  return equal(content(a), content(b));
}

/** A new version of the Secret alone is no reason to write: looking at it again is cheaper. */
function differs(prior: HsmSecretStatus, next: HsmSecretStatus): boolean {
  const content = (status: HsmSecretStatus) => ({
    ...status,
    base: status.base && { ...status.base, secretResourceVersion: undefined },
  });
  return !equal(content(prior), content(next));
}

/** An event when the reason changes, never for the same one again. */
function telling(input: StatusInput, reason: string, message: string): readonly PlannedEvent[] {
  const { prior, verdict } = input;
  const before = findCondition(prior.conditions as readonly Condition[] | undefined, "Synced");
  if (before?.reason === reason) return [];
  if (verdict.kind === "inSync") {
    return [{ type: "Normal", reason: "InSync", action: "Sync", note: message }];
  }
  if (verdict.kind === "wait") {
    return verdict.reason === "Waiting" ? [] : [{ type: "Normal", reason, action: "Sync", note: message }];
  }
  return [warning(verdict.kind === "conflict" ? "Conflict" : reason, "Sync", message)];
}

function inOneLine(message: string): string {
  return message.replaceAll(/\s+/g, " ").slice(0, 1024);
}
