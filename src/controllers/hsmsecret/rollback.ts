/** The annotation `rollback-to`: writes an earlier generation's keys as a new generation, once. */

import { ANNOTATION_ROLLBACK } from "../../crd/names.ts";
import type { PlannedEvent } from "./facts.ts";
import { done, expectation, plainMeta, warning } from "./steps.ts";
import { act, type Verdict } from "./verdict.ts";
import type { View } from "./view.ts";

export type Rollback =
  | { readonly kind: "none" }
  /** Done or impossible: the annotation is taken off. */
  | { readonly kind: "over"; readonly events: readonly PlannedEvent[] }
  | { readonly kind: "step"; readonly verdict: Verdict };

/** Only from agreement: a rollback during a conflict would decide it unseen. */
export function rollback(view: View): Rollback {
  const { facts } = view;
  const wanted = facts.owner.annotations[ANNOTATION_ROLLBACK];
  const { token } = facts;
  if (wanted === undefined || token.state !== "present") return { kind: "none" };
  if (facts.spec.direction !== "Bidirectional") {
    return refused("Only an HSMSecret of direction Bidirectional rolls back by annotation.");
  }
  const generation = /^[0-9]{1,15}$/.test(wanted) ? Number(wanted) : undefined;
  if (generation === undefined) return refused("rollback-to must be the number of a generation.");
  if (generation === token.generation) return { kind: "over", events: [] };
  if (token.value === undefined) return step({ kind: "read" });
  if (facts.earlier?.generation !== generation) return step({ kind: "read", generation });
  const { read } = facts.earlier;
  if (read.state === "failed") {
    return step({
      kind: "error",
      reason: "ReadFailed",
      message: `Generation ${generation} could not be read: ${read.message}`,
      retry: true,
    });
  }
  if (read.state === "absent") return refused(`Generation ${generation} is not in the history.`);
  if (read.record.deleted) return refused(`Generation ${generation} is a deletion.`);
  // After a crash between the write and taking the annotation off, the token holds that content already.
  if (view.checksums.of(read.record.keys) === token.value.checksum) return { kind: "over", events: [] };
  return step(
    act(
      [
        {
          kind: "writeToken",
          keys: read.record.keys,
          meta: plainMeta(token),
          expect: expectation(token),
          why: "Rollback",
        },
      ],
      done("RolledBack", "WriteToken", `Wrote generation ${generation} to the token as a new generation.`),
    ),
  );
}

function step(verdict: Verdict): Rollback {
  return { kind: "step", verdict };
}

function refused(note: string): Rollback {
  return { kind: "over", events: [warning("RollbackRefused", "Rollback", note)] };
}
