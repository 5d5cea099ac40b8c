/** Puts a record together from the values of its objects, and believes none of them. Pure. */

import { isHsmError } from "../errors.ts";
import { decodeRecord } from "./codec.ts";
import { recordDigest } from "./digest.ts";
import type { RecordGroup } from "./model.ts";
import { decodePart, type Part } from "./part.ts";
import type { SecretRecord } from "./record.ts";

/** Duplicate parts are rare (a broken retry); a forger must not make us try for ever. */
const MAX_COMBINATIONS = 64;

export type Verified =
  | { readonly valid: true; readonly record: SecretRecord; readonly ids: readonly number[] }
  | {
      readonly valid: false;
      readonly reason: "Corrupt" | "WrongPath" | "Incomplete";
      readonly message: string;
    };

const CORRUPT: Verified = {
  valid: false,
  reason: "Corrupt",
  message: "A record's value is damaged: it is not what its digest says.",
};

const CUT_SHORT: Verified = {
  valid: false,
  reason: "Incomplete",
  message: "A part of the record is cut short: its write did not end.",
};

export function verifyGroup(group: RecordGroup, valueAt: (id: number) => Uint8Array | undefined): Verified {
  const [only] = group.ids;
  if (group.count === 1 && group.ids.length === 1 && only !== undefined) {
    return verifySingle(group, valueAt(only));
  }
  const candidates: { id: number; part: Part }[][] = [];
  for (const [index, ids] of group.parts.entries()) {
    let cutShort = false;
    const fitting = ids.flatMap((id) => {
      const value = valueAt(id);
      const part = value === undefined ? undefined : decodePart(value);
      if (part === "cut short") cutShort = true;
      if (part === undefined || part === "cut short") return [];
      const fits =
        part.index === index + 1 && part.count === group.count && part.digest.startsWith(group.digest);
      return fits ? [{ id, part }] : [];
    });
    if (fitting.length === 0) return cutShort ? CUT_SHORT : CORRUPT;
    candidates.push(fitting);
  }
  for (const choice of combinations(candidates)) {
    const bytes = joined(choice.map(({ part }) => part.bytes));
    if (choice.some(({ part }) => part.digest !== choice[0]?.part.digest)) continue;
    if (recordDigest(bytes) !== choice[0]?.part.digest) continue;
    return check(
      group,
      bytes,
      choice.map(({ id }) => id),
    );
  }
  return CORRUPT;
}

/** Nearly every record is one object, and no other claims to be it: the same rules without the bookkeeping. */
function verifySingle(group: RecordGroup, value: Uint8Array | undefined): Verified {
  const part = value === undefined ? undefined : decodePart(value);
  if (part === "cut short") return CUT_SHORT;
  if (part === undefined || part.count !== 1 || !part.digest.startsWith(group.digest)) return CORRUPT;
  if (recordDigest(part.bytes) !== part.digest) return CORRUPT;
  return check(group, part.bytes, group.ids);
}

function check(group: RecordGroup, bytes: Uint8Array, ids: readonly number[]): Verified {
  let record: SecretRecord;
  try {
    record = decodeRecord(bytes);
  } catch (error) {
    if (!isHsmError(error)) throw error;
    return { valid: false, reason: "Corrupt", message: error.message };
  }
  if (record.path !== group.path) {
    return { valid: false, reason: "WrongPath", message: "A record stands at a path that is not its own." };
  }
  if (record.generation !== group.generation || record.deleted !== (group.state === "dead")) {
    return {
      valid: false,
      reason: "Corrupt",
      message: "A record is not what its application attribute says.",
    };
  }
  return { valid: true, record, ids };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}

function* combinations<T>(lists: readonly (readonly T[])[]): Generator<T[]> {
  const total = Math.min(
    lists.reduce((product, list) => product * list.length, 1),
    MAX_COMBINATIONS,
  );
  for (let n = 0; n < total; n += 1) {
    let rest = n;
    const choice: T[] = [];
    for (const list of lists) {
      choice.push(list[rest % list.length] as T);
      rest = Math.floor(rest / list.length);
    }
    yield choice;
  }
}
