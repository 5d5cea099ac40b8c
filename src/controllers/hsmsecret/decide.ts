/** The table of docs/sync.md: what the two sides come to, by direction. Pure. */

import { isDeletion, makeBase } from "./base.ts";
import { finishSettling, settle } from "./conflict.ts";
import { failureOf } from "./failure.ts";
import { carries, marksFor } from "./ownership.ts";
import { done, isOwned, mark, secretFromToken, seen, tokenFromSecret } from "./steps.ts";
import { act, fail, type Verdict, wait } from "./verdict.ts";
import type { PresentSecret, PresentToken, View } from "./view.ts";
import { isOtherPool } from "./views.ts";

export function decide(view: View): Verdict {
  const { facts } = view;
  const { token, secret, spec } = facts;
  if (token.state === "failed") return failureOf("read", token.errorClass, token.message);
  if (secret.state === "present") {
    const refusal = refuse(view, secret);
    if (refusal !== undefined) return refusal;
  }
  if (token.state === "absent") return tokenAbsent(view);
  if (token.conflict) return twoHeads(view, token);
  if (token.deleted) return tombstone(view, token);
  if (view.tokenRelation === "unread") return { kind: "read" };
  if (secret.state === "absent") return secretAbsent(view, token);
  const settling = finishSettling(view, token);
  if (settling !== undefined) return settling;
  const agreed = agreement(view, token, secret);
  if (agreed !== undefined) return agreed;
  if (view.tokenRelation === "replaced") return settle(view, token, secret, replaced(view, token), false);
  if (spec.direction === "HSMToSecret") return secretFromToken(view, token);
  return spec.direction === "SecretToHSM" ? push(view, token, secret) : bothWays(view, token, secret);
}

/** A Secret that must not be touched, or cannot be what the spec wants. */
function refuse(view: View, secret: PresentSecret): Verdict | undefined {
  const { spec } = view.facts;
  if (secret.deleting) return wait("Waiting", "The Secret is being deleted.");
  if (!view.maySync) {
    const what = spec.direction === "SecretToHSM" ? "copy it to the token" : "take it over";
    return fail("SecretExists", `The Secret exists and is not ours: set spec.adopt to true to ${what}.`);
  }
  if (spec.direction !== "SecretToHSM" && secret.type !== spec.secretType) {
    return fail(
      "SecretExists",
      `The Secret has the type ${secret.type}, spec.secretType is ${spec.secretType}; a type cannot change.`,
    );
  }
  return undefined;
}

/**
 * The first row: both sides hold the same. Another pool's token does not count as the same although its data is,
 * unless a person said so: what is changed there later would flow here.
 */
function agreement(view: View, token: PresentToken, secret: PresentSecret): Verdict | undefined {
  const { facts, base, mapped } = view;
  if (isOtherPool(token, base) && view.resolve === undefined) return undefined;
  const sides = view.tokenRelation === "same" && view.secretRelation === "same";
  // A listing proves the token's side; the mapping of keys may have changed with the spec.
  const specSeen =
    facts.spec.direction !== "HSMToSecret" || facts.status.observedGeneration === facts.owner.generation;
  if (sides && base !== undefined && specSeen && mapped === undefined && facts.token.state === "present") {
    return settled(view, secret, {
      ...base,
      secretUID: secret.uid,
      secretResourceVersion: secret.resourceVersion,
    });
  }
  if (mapped === undefined) return { kind: "read" };
  if (!mapped.ok) {
    return fail(
      "ReadFailed",
      `The key ${mapped.missing} that spec.keys names is not at ${facts.path} on the token.`,
    );
  }
  if (mapped.checksum !== secret.checksum) return undefined;
  return settled(view, secret, makeBase(token, mapped.checksum, secret));
}

/** Equal: the Secret gets our marks where they are not right, then the base moves. */
function settled(
  view: View,
  secret: PresentSecret,
  base: Extract<Verdict, { kind: "inSync" }>["base"],
): Verdict {
  if (view.facts.spec.direction === "SecretToHSM") return { kind: "inSync", base };
  const marks = marksFor(view.facts, base, isOwned(view));
  if (carries(secret, marks, base)) return { kind: "inSync", base };
  const events =
    view.ownership === "others"
      ? [done("Adopted", "MarkSecret", "Took the Secret over, as spec.adopt says.")]
      : [];
  return act([mark(secret, marks, "Base")], ...events);
}

function bothWays(view: View, token: PresentToken, secret: PresentSecret): Verdict {
  const { tokenRelation, secretRelation } = view;
  if (tokenRelation === "unknown" || secretRelation === "unknown") {
    const report = both("The token and the Secret differ and have never been seen equal.");
    return settle(view, token, secret, report, false);
  }
  if (secretRelation === "same") return secretFromToken(view, token);
  if (tokenRelation === "same") return push(view, token, secret);
  return settle(view, token, secret, both("Both the token and the Secret have changed."), true);
}

/** From the Secret to the token; an empty Secret never empties a token by itself. */
function push(view: View, token: PresentToken, secret: PresentSecret): Verdict {
  if (token.value === undefined) return { kind: "read" };
  if (secret.keys.length === 0 && token.value.keys.length > 0) {
    return settle(view, token, secret, both("The Secret is empty and the token is not."), false);
  }
  return tokenFromSecret(view, secret, "Changed");
}

function secretAbsent(view: View, token: PresentToken): Verdict {
  if (view.tokenRelation === "replaced" && view.resolve !== "hsm") return replaced(view, token);
  if (view.facts.spec.direction === "SecretToHSM")
    return wait("Waiting", "There is no Secret to copy to the token.");
  return secretFromToken(view, token);
}

function tokenAbsent(view: View): Verdict {
  const { facts, base } = view;
  const { secret, spec, path } = facts;
  // A tombstone that was carried over and has since been swept is as if nothing had ever been there.
  const known = base !== undefined && !isDeletion(base);
  if (secret.state === "absent") {
    return known
      ? wait("HSMDataMissing", `Neither the token at ${path} nor the Secret has data any more.`)
      : wait("Waiting", `There is no data at ${path} on the token, and no Secret.`);
  }
  if (spec.direction === "SecretToHSM") return tokenFromSecret(view, secret, "Changed");
  if (known && (view.resolve !== "secret" || spec.direction === "HSMToSecret")) {
    // The Secret is the last copy: the collector must not take it with the HSMSecret.
    const marks = marksFor(facts, base, false);
    if (!carries(secret, marks, base)) {
      return act([mark(secret, marks, "LastCopy")]);
    }
    return {
      kind: "outOfSync",
      reason: "HSMDataMissing",
      message: `The data at ${path} is gone from the token; the Secret is the last copy and is left alone until the annotation hsm.j5t.io/resolve is secret.`,
    };
  }
  if (spec.direction === "HSMToSecret") {
    return wait(
      "Waiting",
      `There is no data at ${path} on the token; a Secret is not written there with HSMToSecret.`,
    );
  }
  return tokenFromSecret(view, secret, "Changed");
}

function tombstone(view: View, token: PresentToken): Verdict {
  const { facts, base } = view;
  const { secret, spec, path } = facts;
  if (view.tokenRelation === "unread") return { kind: "read" };
  if (view.tokenRelation === "replaced" && view.resolve === undefined) return replaced(view, token);
  if (spec.direction === "SecretToHSM") {
    return secret.state === "absent"
      ? wait("Waiting", "There is no Secret to copy to the token.")
      : tokenFromSecret(view, secret, "Changed");
  }
  if (secret.state === "absent") {
    const message = `The secret at ${path} was deleted on the token.`;
    if (base === undefined) return wait("Deleted", message);
    if (view.tokenRelation === "same") return wait("Deleted", message, base);
    if (token.value === undefined && token.kind === "record") return { kind: "read" };
    return wait("Deleted", message, makeBase(token, view.checksums.of([]), undefined));
  }
  if (view.secretRelation === "same" || view.resolve === "hsm") {
    return act(
      [{ kind: "deleteSecret", seen: seen(secret) }],
      done("SecretDeleted", "DeleteSecret", `Deleted the Secret, as ${path} was deleted on the token.`),
    );
  }
  if (view.resolve === "secret" && spec.direction === "Bidirectional") {
    return tokenFromSecret(view, secret, "Resolved");
  }
  return both(`The secret at ${path} was deleted on the token, and the Secret has changed.`);
}

/** Only a person can say which of two records on the token goes on. */
function twoHeads(view: View, token: PresentToken): Verdict {
  const { spec, secret } = view.facts;
  const report = both("The token holds two records of which neither descends from the other.");
  if (spec.direction === "HSMToSecret" || view.resolve === undefined) return report;
  if (view.resolve === "secret") {
    return secret.state === "present" ? tokenFromSecret(view, secret, "Resolved") : report;
  }
  if (token.value === undefined) return { kind: "read" };
  return act(
    [
      {
        kind: "writeToken",
        keys: token.deleted ? null : token.value.keys,
        meta: token.value.meta,
        expect: { generation: token.generation, digest: token.digest },
        why: "Resolved",
      },
    ],
    done(
      "ConflictSettled",
      "WriteToken",
      `Generation ${token.generation} goes on, as the annotation resolve says.`,
    ),
  );
}

function both(message: string): Extract<Verdict, { kind: "conflict" }> {
  return { kind: "conflict", reason: "BothChanged", message };
}

function replaced(view: View, token: PresentToken): Extract<Verdict, { kind: "conflict" }> {
  const { base } = view;
  const why = isOtherPool(token, base)
    ? "belongs to another pool of devices"
    : `holds generation ${token.generation}, which does not descend from generation ${base?.generation ?? 0} that was synced last`;
  return {
    kind: "conflict",
    reason: "TokenReplaced",
    message: `The token ${why}: it was replaced or set back.`,
  };
}
