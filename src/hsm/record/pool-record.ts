/** `_pool`: the reserved record that says which pool a token belongs to, and keeps the key of the checksums. */

import type { PoolIdentity } from "../client.ts";
import { HsmError } from "../errors.ts";
import { type BuildContext, type BuiltRecord, buildRecord, type Current } from "./build.ts";
import { CHECKSUM_KEY_BYTES } from "./checksum.ts";
import { POOL_PATH, type SecretRecord } from "./record.ts";

const CHECKSUM_KEY = "checksum-key";
const MEMBERS = "members";
const POOL_ID = /^[0-9a-f]{32}$/;

export function buildPoolRecord(
  pool: PoolIdentity,
  current: Current,
  context: Omit<BuildContext, "pool">,
): BuiltRecord {
  if (!POOL_ID.test(pool.id)) throw bad("A pool's id is 32 hex digits.");
  if (pool.checksumKey.length !== CHECKSUM_KEY_BYTES)
    throw bad(`The key of checksums is ${CHECKSUM_KEY_BYTES} bytes.`);
  const members = [...new Set(pool.members)].sort();
  return buildRecord(
    {
      path: POOL_PATH,
      current,
      keys: [
        [CHECKSUM_KEY, pool.checksumKey],
        [MEMBERS, Buffer.from(JSON.stringify(members), "utf8")],
      ],
    },
    { ...context, pool: Buffer.from(pool.id, "hex") },
  );
}

/** Throws `Corrupt` when the record is valid and yet not what a `_pool` record holds. */
export function readPoolRecord(record: SecretRecord): PoolIdentity {
  const checksumKey = record.keys.find(([name]) => name === CHECKSUM_KEY)?.[1];
  const members = parseMembers(record.keys.find(([name]) => name === MEMBERS)?.[1]);
  if (checksumKey?.length !== CHECKSUM_KEY_BYTES || members === undefined) {
    throw new HsmError("Corrupt", "The record that names the token's pool is not readable.", {
      operation: "pool",
    });
  }
  return { id: Buffer.from(record.pool).toString("hex"), members, checksumKey: Uint8Array.from(checksumKey) };
}

function parseMembers(json: Uint8Array | undefined): string[] | undefined {
  if (json === undefined) return undefined;
  try {
    const members: unknown = JSON.parse(Buffer.from(json).toString("utf8"));
    return Array.isArray(members) && members.every((m) => typeof m === "string") ? members : undefined;
  } catch {
    return undefined;
  }
}

function bad(message: string): HsmError {
  return new HsmError("BadInput", message, { operation: "setPool" });
}
