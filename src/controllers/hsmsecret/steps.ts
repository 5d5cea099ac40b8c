/** The single writes that a decision is made of, each with the event that tells of it. */

import type { RecordMeta } from "../../pool/store.ts";
import { makeBase } from "./base.ts";
import type { Action, Marks, PlannedEvent } from "./facts.ts";
import { marksFor } from "./ownership.ts";
import { act, fail, type Verdict } from "./verdict.ts";
import type { PresentSecret, PresentToken, View } from "./view.ts";

/** Labels of the record's metadata while a conflict is settled: see conflict.ts. Never kept beyond that. */
export const META_CONFLICT = "hsm.j5t.io/conflict";
export const META_WINNER = "hsm.j5t.io/conflict-winner";
export const META_LOSER = "hsm.j5t.io/conflict-loser";

/** Whether our Secrets carry an owner reference: not where they shall outlive the HSMSecret. */
export function isOwned(view: View): boolean {
  return view.facts.spec.secretDeletionPolicy === "Delete";
}

/** Makes the Secret what the token holds. The plan must have read the value. */
export function secretFromToken(view: View, token: PresentToken): Verdict {
  const { facts, mapped } = view;
  const { secret, path } = facts;
  if (mapped === undefined) return { kind: "read" };
  if (!mapped.ok) {
    return fail(
      "ReadFailed",
      `The key ${mapped.missing} that spec.keys names is not at ${path} on the token.`,
    );
  }
  const uid = secret.state === "present" ? { uid: secret.uid } : undefined;
  const base = makeBase(token, mapped.checksum, uid);
  const marks = marksFor(facts, base, isOwned(view));
  if (secret.state === "absent") {
    return act(
      [{ kind: "createSecret", type: facts.spec.secretType, keys: mapped.keys, marks }],
      done(
        "SecretCreated",
        "CreateSecret",
        `Created the Secret from generation ${token.generation} at ${path}.`,
      ),
    );
  }
  const kept = new Set(mapped.keys.map(([name]) => name));
  const removed = secret.keys.map(([name]) => name).filter((name) => !kept.has(name));
  return act(
    [{ kind: "writeSecret", seen: seen(secret), keys: mapped.keys, removed, marks }],
    done("SecretUpdated", "WriteSecret", `Wrote generation ${token.generation} at ${path} into the Secret.`),
  );
}

/** Makes the token what the Secret holds, over exactly what was seen there. */
export function tokenFromSecret(
  view: View,
  secret: PresentSecret,
  why: Extract<Action, { kind: "writeToken" }>["why"],
): Verdict {
  const { token, path } = view.facts;
  if (token.state === "failed") return fail("DeviceUnavailable", token.message, true);
  if (token.state === "absent") {
    return act(
      [{ kind: "writeToken", keys: secret.keys, meta: undefined, expect: "absent", why }],
      done("TokenWritten", "WriteToken", `Wrote the Secret to ${path} on the token.`),
    );
  }
  // The record's metadata is the users' and goes on to the next generation, so it must have been read.
  if (token.value === undefined) return { kind: "read" };
  return act(
    [{ kind: "writeToken", keys: secret.keys, meta: plainMeta(token), expect: expectation(token), why }],
    done(
      "TokenWritten",
      "WriteToken",
      `Wrote the Secret to ${path} on the token, over generation ${token.generation}.`,
    ),
  );
}

export function expectation(token: PresentToken): { readonly generation: number; readonly digest: string } {
  return { generation: token.generation, digest: token.digest };
}

/** The record's metadata without what a settled conflict left in it. */
export function plainMeta(token: PresentToken): RecordMeta | undefined {
  const meta = token.value?.meta;
  if (meta?.labels === undefined) return meta;
  const labels = Object.entries(meta.labels).filter(
    ([name]) => name !== META_CONFLICT && name !== META_WINNER && name !== META_LOSER,
  );
  return { ...meta, labels: labels.length === 0 ? undefined : Object.fromEntries(labels) };
}

/** Puts our marks on the Secret without touching its data. */
export function mark(secret: PresentSecret, marks: Marks, why: string): Action {
  return { kind: "markSecret", seen: seen(secret), marks, why };
}

export function seen(secret: PresentSecret): { readonly uid: string; readonly resourceVersion: string } {
  return { uid: secret.uid, resourceVersion: secret.resourceVersion };
}

export function done(reason: string, action: string, note: string): PlannedEvent {
  return { type: "Normal", reason, action, note };
}

export function warning(reason: string, action: string, note: string): PlannedEvent {
  return { type: "Warning", reason, action, note };
}
