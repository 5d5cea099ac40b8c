/**
 * Long batches in short ones: calls on a token are carried out in order, so that a read must not wait behind the
 * creation of a hundred objects (milliseconds each on SoftHSM2, a good part of a second on a card).
 */

import type { HsmError } from "../errors.ts";
import type { ObjectOperation, ObjectToken, OperationOutcome } from "../token.ts";

const OPERATIONS_AT_ONCE = 4;
const READS_AT_ONCE = 16;

/** As `ObjectToken.apply`: stops at the first failure, and says of the rest that it was skipped. */
export async function applyAll(
  token: ObjectToken,
  operations: readonly ObjectOperation[],
): Promise<readonly OperationOutcome[]> {
  const outcomes: OperationOutcome[] = [];
  for (let at = 0; at < operations.length; at += OPERATIONS_AT_ONCE) {
    const last = outcomes.at(-1)?.kind;
    if (last === "failed" || last === "skipped") {
      return [...outcomes, ...operations.slice(at).map(() => ({ kind: "skipped" }) as const)];
    }
    outcomes.push(...(await token.apply(operations.slice(at, at + OPERATIONS_AT_ONCE))));
  }
  return outcomes;
}

/** Values by id; a failure of the device rejects, an object that is not there any more is left out. */
export function readValues(token: ObjectToken, ids: readonly number[]): Promise<Map<number, Uint8Array>> {
  return readAll(token, ids, (error) => error.class === "NotFound");
}

/**
 * Values for finding out what is damaged. A token that answers otherwise and cannot read one object (a destroy that
 * was cut short leaves the name without the value, and no way to destroy it) must not take all others along.
 */
export function readWhatCanBeRead(
  token: ObjectToken,
  ids: readonly number[],
): Promise<Map<number, Uint8Array>> {
  return readAll(token, ids, (error) => error.class === "NotFound" || error.class === "Internal");
}

async function readAll(
  token: ObjectToken,
  ids: readonly number[],
  mayBeMissing: (error: HsmError) => boolean,
): Promise<Map<number, Uint8Array>> {
  const values = new Map<number, Uint8Array>();
  for (let at = 0; at < ids.length; at += READS_AT_ONCE) {
    for (const outcome of await token.read(ids.slice(at, at + READS_AT_ONCE))) {
      if ("value" in outcome) values.set(outcome.id, outcome.value);
      else if (!mayBeMissing(outcome.error)) throw outcome.error;
    }
  }
  return values;
}
