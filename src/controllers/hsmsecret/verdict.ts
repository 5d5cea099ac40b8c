/** What the decision comes to. */

import type { Base } from "../../crd/hsmsecret-status.ts";
import type { Action, PlannedEvent, Reason } from "./facts.ts";

export type Verdict =
  | { readonly kind: "read"; readonly generation?: number | undefined }
  | { readonly kind: "act"; readonly actions: readonly Action[]; readonly events: readonly PlannedEvent[] }
  /** Both sides are proven equal to this base. */
  | { readonly kind: "inSync"; readonly base: Base }
  /** Something that somebody else must bring first. `base` moves only for a deletion that was carried over. */
  | {
      readonly kind: "wait";
      readonly reason: Reason;
      readonly message: string;
      readonly base?: Base | undefined;
    }
  | { readonly kind: "conflict"; readonly reason: Reason; readonly message: string }
  | { readonly kind: "outOfSync"; readonly reason: Reason; readonly message: string }
  | {
      readonly kind: "error";
      readonly reason: Reason;
      readonly message: string;
      /** True when trying again may help although nobody changes anything. */
      readonly retry: boolean;
    };

export type ErrorVerdict = Extract<Verdict, { kind: "error" }>;

export function act(actions: readonly Action[], ...events: readonly PlannedEvent[]): Verdict {
  return { kind: "act", actions, events };
}

export function conflict(reason: Reason, message: string): Verdict {
  return { kind: "conflict", reason, message };
}

export function wait(reason: Reason, message: string, base?: Base): Verdict {
  return { kind: "wait", reason, message, base };
}

export function fail(reason: Reason, message: string, retry = false): ErrorVerdict {
  return { kind: "error", reason, message, retry };
}
