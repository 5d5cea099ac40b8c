/**
 * The mock client: a record store over a token in memory. For tests and for people who try the operator without
 * hardware. It says in its info that it is one, and nothing ever falls back to it by itself.
 */

import { hash, randomBytes } from "node:crypto";
import type { PoolIdentity } from "../client.ts";
import { HsmError } from "../errors.ts";
import { buildRecord } from "../record/build.ts";
import type { SecretKey } from "../record/record.ts";
import { RecordStore, type RecordStoreOptions } from "../store/record-store.ts";
import { MemoryToken, type MemoryTokenOptions } from "./memory-token.ts";

export interface MockClientOptions extends MemoryTokenOptions, RecordStoreOptions {
  /** The token's pool; `none` for a token that was never written. By default one of its own, named after the serial. */
  readonly pool?: PoolIdentity | "none" | undefined;
  /** Secrets that are there from the start: path to keys. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string | Uint8Array>>>> | undefined;
  readonly token?: MemoryToken | undefined;
}

export async function createMockClient(options: MockClientOptions = {}): Promise<RecordStore> {
  const token = options.token ?? new MemoryToken(options);
  const store = await RecordStore.open(token, options);
  const { serialNumber } = token.info();
  const pool = options.pool ?? mockPool(serialNumber);
  if (pool === "none") return store;
  await store.setPool(pool);
  for (const [path, values] of Object.entries(options.secrets ?? {})) {
    const keys = Object.entries(values).map(
      ([name, value]): SecretKey => [name, typeof value === "string" ? Buffer.from(value, "utf8") : value],
    );
    const { bytes } = buildRecord(
      { path, current: undefined, keys },
      {
        pool: Buffer.from(pool.id, "hex"),
        device: serialNumber,
        writer: "mock",
        now: options.now ?? (() => new Date()),
        randomBytes: options.randomBytes ?? randomBytes,
      },
    );
    const [result] = await store.write([{ path, record: bytes, expect: { kind: "absent" } }]);
    if (result?.status === "failed") throw result.error;
    if (result?.status === "conflict") {
      throw new HsmError("Conflict", `The mock holds ${path} already.`, { operation: "write" });
    }
  }
  return store;
}

/** The same for the same serial number; its key protects nothing. */
export function mockPool(serialNumber: string): PoolIdentity {
  return {
    id: hash("sha256", `mock pool of ${serialNumber}`, "hex").slice(0, 32),
    members: [serialNumber],
    checksumKey: hash("sha256", `mock checksum key of ${serialNumber}`, "buffer"),
  };
}
