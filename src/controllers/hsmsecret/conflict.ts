/**
 * Both sides changed. Nothing is written until a person (annotation `resolve`) or the policy says who wins, and the
 * policy acts only where the losing side is kept on the token.
 *
 * When the token wins, the Secret is the loser and is written to the token first, as a generation of its own marked
 * `loser` that names the winner's generation; then the winner again, marked `winner` with the loser's checksum; then
 * the Secret. The marks make each step recognisable: after a crash at any point the next plan goes on from there,
 * rather than taking the loser for an edit. When the Secret wins, what the token held stays in its history.
 */

import type { RecordMeta } from "../../pool/store.ts";
import {
  done,
  expectation,
  META_CONFLICT,
  META_LOSER,
  META_WINNER,
  plainMeta,
  secretFromToken,
  tokenFromSecret,
} from "./steps.ts";
import { act, conflict, fail, type Verdict } from "./verdict.ts";
import type { PresentSecret, PresentToken, View } from "./view.ts";

/** A conflict between a live record and a Secret that differs from it. `byPolicy`: conflictPolicy may settle it. */
export function settle(
  view: View,
  token: PresentToken,
  secret: PresentSecret,
  report: Extract<Verdict, { kind: "conflict" }>,
  byPolicy: boolean,
): Verdict {
  const { spec } = view.facts;
  if (view.resolve === "hsm") return tokenWins(view, token, secret, report, false);
  if (view.resolve === "secret") return secretWins(view, secret, report);
  if (!byPolicy || spec.conflictPolicy === "Report" || spec.historyLimit === 0) return report;
  if (spec.conflictPolicy === "PreferHSM") return tokenWins(view, token, secret, report, true);
  // An empty Secret is more often a slip than a wish: a person decides.
  return secret.keys.length === 0 ? report : secretWins(view, secret, report);
}

function secretWins(view: View, secret: PresentSecret, report: Verdict): Verdict {
  if (view.facts.spec.direction !== "HSMToSecret") return tokenFromSecret(view, secret, "Resolved");
  return report.kind === "conflict"
    ? conflict(report.reason, `${report.message} resolve: secret is not possible with direction HSMToSecret.`)
    : report;
}

function tokenWins(
  view: View,
  token: PresentToken,
  secret: PresentSecret,
  report: Extract<Verdict, { kind: "conflict" }>,
  mustPreserve: boolean,
): Verdict {
  const { spec } = view.facts;
  if (spec.direction === "SecretToHSM") {
    return conflict(
      report.reason,
      `${report.message} resolve: hsm is not possible with direction SecretToHSM.`,
    );
  }
  if (token.value === undefined) return { kind: "read" };
  const preserved =
    secret.keys.length === 0 ||
    spec.direction === "HSMToSecret" ||
    (!mustPreserve && spec.historyLimit === 0) ||
    token.value.meta?.labels?.[META_LOSER] === secret.checksum;
  if (preserved) return secretFromToken(view, token);
  return act(
    [
      {
        kind: "writeToken",
        keys: secret.keys,
        meta: marked(token, { [META_CONFLICT]: "loser", [META_WINNER]: String(token.generation) }),
        expect: expectation(token),
        why: "Loser",
      },
    ],
    done(
      "LoserKept",
      "WriteToken",
      "Wrote the Secret's data, which lost the conflict, to the token's history.",
    ),
  );
}

/**
 * Goes on where a crash came between loser and winner: `undefined` when the record is not a loser. A loser whose
 * winner has gone from the history is an ordinary record.
 */
export function finishSettling(view: View, token: PresentToken): Verdict | undefined {
  const { facts } = view;
  const labels = token.value?.meta?.labels;
  if (labels?.[META_CONFLICT] !== "loser" || facts.spec.direction !== "Bidirectional") return undefined;
  const generation = Number(labels[META_WINNER]);
  if (!Number.isSafeInteger(generation) || generation < 0 || generation >= token.generation) return undefined;
  if (facts.earlier?.generation !== generation) return { kind: "read", generation };
  const { read } = facts.earlier;
  if (read.state === "failed") {
    return fail("ReadFailed", `Generation ${generation} could not be read: ${read.message}`, true);
  }
  if (read.state === "absent" || read.record.deleted || token.value === undefined) return undefined;
  return act(
    [
      {
        kind: "writeToken",
        keys: read.record.keys,
        meta: marked(token, { [META_CONFLICT]: "winner", [META_LOSER]: token.value.checksum }),
        expect: expectation(token),
        why: "Winner",
      },
    ],
    done(
      "ConflictSettled",
      "WriteToken",
      `Wrote generation ${generation}, which won the conflict, to the token anew.`,
    ),
  );
}

function marked(token: PresentToken, labels: Readonly<Record<string, string>>): RecordMeta {
  const meta = plainMeta(token);
  return { ...meta, labels: { ...meta?.labels, ...labels } };
}
