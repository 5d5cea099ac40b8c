/**
 * Builds the next record at a path from what is there. Whoever takes a write (manager, test-hsm) calls this; the
 * client below only compares and stores bytes.
 */

import { HsmError } from "../errors.ts";
import { mergeClocks } from "./clock.ts";
import { encodeRecord } from "./codec.ts";
import { recordDigest, shortDigest } from "./digest.ts";
import type { RecordMeta, SecretKey, SecretRecord } from "./record.ts";

/** A generation further than this above the known one is refused: a forged one must not use the numbers up. */
export const MAX_GENERATION_JUMP = 2 ** 20;

export interface BuildContext {
  /** The pool's id, 16 bytes. */
  readonly pool: Uint8Array;
  /** Serial number of the device that takes this write first. */
  readonly device: string;
  /** E.g. `manager/default/demo` or `test-hsm`. */
  readonly writer: string;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
}

export interface BuiltRecord {
  readonly record: SecretRecord;
  readonly bytes: Uint8Array;
  /** First 32 hex digits of the record's SHA-256. */
  readonly digest: string;
}

/** What is at the path now. `undefined` when nothing is; a foreign record (generation 0) counts as nothing. */
export type Current = Pick<SecretRecord, "generation" | "clock" | "meta"> | undefined;

export interface NextRecord {
  readonly path: string;
  readonly current: Current;
  /** The other heads of a conflict that this record settles: it then descends from them as well. */
  readonly settles?: readonly Pick<SecretRecord, "generation" | "clock">[] | undefined;
  /** In any order; each name once. */
  readonly keys: readonly SecretKey[];
  /** Absent: as before. */
  readonly meta?: RecordMeta | undefined;
}

/** The next generation. Throws `BadInput` or `TooLarge` for what may not be written. */
export function buildRecord(next: NextRecord, context: BuildContext): BuiltRecord {
  return build(next, false, context);
}

/** A tombstone: present, and without keys. */
export function buildTombstone(
  next: Pick<NextRecord, "path" | "current" | "settles">,
  context: BuildContext,
): BuiltRecord {
  return build({ ...next, keys: [], meta: undefined }, true, context);
}

/** A new generation with the keys of an old one; a rollback to a tombstone is one itself. */
export function buildRollback(
  current: SecretRecord,
  to: SecretRecord,
  context: BuildContext,
  settles?: NextRecord["settles"],
): BuiltRecord {
  if (to.path !== current.path) {
    throw new HsmError("BadInput", "A secret can only be rolled back to a generation of its own.", {
      operation: "rollback",
    });
  }
  const next: NextRecord = { path: current.path, current, keys: to.keys, meta: to.meta ?? {}, settles };
  return build(next, to.deleted, context);
}

function build(next: NextRecord, deleted: boolean, context: BuildContext): BuiltRecord {
  const known = [...(next.current === undefined ? [] : [next.current]), ...(next.settles ?? [])];
  const clock = mergeClocks(known);
  const counter = (clock.get(context.device) ?? 0) + 1;
  clock.set(context.device, counter);
  const now = context.now().toISOString();
  const meta = next.meta ?? (deleted ? undefined : next.current?.meta);
  const record: SecretRecord = {
    v: 1,
    pool: context.pool,
    path: next.path,
    generation: Math.max(0, ...known.map((r) => r.generation)) + 1,
    dot: [context.device, counter],
    clock,
    writer: context.writer,
    time: now,
    nonce: context.randomBytes(16),
    deleted,
    ...(meta === undefined ? {} : { meta }),
    keys: [...next.keys].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  };
  const bytes = encodeRecord(record);
  return { record, bytes, digest: shortDigest(recordDigest(bytes)) };
}
