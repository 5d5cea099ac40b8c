/**
 * A token with some past, one write to it, and the question whether a reader sees the old secret or the new one,
 * whole, whatever call the power went in.
 */

import type { HsmClient, WriteRequest } from "../../src/hsm/client.ts";
import { MemoryFlash, MemoryToken, type MemoryTokenOptions } from "../../src/hsm/mock/memory-token.ts";
import { mockPool } from "../../src/hsm/mock/mock-client.ts";
import { type BuildContext, buildRecord, buildTombstone } from "../../src/hsm/record/build.ts";
import type { SecretRecord } from "../../src/hsm/record/record.ts";
import { RecordStore } from "../../src/hsm/store/record-store.ts";

export const PATH = "secrets/shop/db";
export const NEIGHBOUR = "secrets/shop/db-prod";
export const POOL = mockPool("MOCK0001");

let nonce = 0;
export const CONTEXT: BuildContext = {
  pool: Buffer.from(POOL.id, "hex"),
  device: "MOCK0001",
  writer: "power-cut",
  now: () => new Date("2026-01-02T03:04:05Z"),
  randomBytes: (length) => {
    nonce += 1;
    const bytes = Buffer.alloc(length);
    bytes.writeUInt32BE(nonce);
    return bytes;
  },
};

export interface Scenario {
  readonly name: string;
  /** Sizes in bytes of the generations that are on the token already, oldest first. */
  readonly past: readonly number[];
  /** Size of the next generation; `tombstone` deletes. */
  readonly next: number | "tombstone";
  readonly historyLimit: number;
  readonly token: MemoryTokenOptions;
  /** Per-key objects of an earlier program at the path: label and value. */
  readonly foreign?: readonly (readonly [label: string, value: string])[];
  /** Fill the token with secrets of one object until no further one fits. */
  readonly fill?: boolean;
}

/** What a reader sees: `absent`, `deleted`, or the bytes of the key `v` (foreign keys: all of them). */
export async function look(client: HsmClient, path: string): Promise<string> {
  const result = await client.read(path);
  if (result.state === "absent") return "absent";
  if (result.record.deleted) return "deleted";
  return result.record.keys
    .map(([key, value]) => `${key}=${Buffer.from(value).toString("latin1")}`)
    .join("&");
}

export function content(generation: number, size: number): Buffer {
  return Buffer.from(`generation ${generation} `.repeat(Math.ceil(size / 13)).slice(0, size), "latin1");
}

export interface Prepared {
  readonly flash: MemoryFlash;
  readonly request: WriteRequest;
  readonly before: string;
  readonly after: string;
}

/** Puts the past onto a new token, honestly. */
export async function prepare(scenario: Scenario): Promise<Prepared> {
  const flash = new MemoryFlash();
  const client = await reopen(flash, scenario);
  await client.setPool(POOL);
  await put(client, NEIGHBOUR, 1, 20, undefined, 5);
  let record: SecretRecord | undefined;
  for (const [i, size] of scenario.past.entries()) {
    record = await put(client, PATH, i + 1, size, record, 20);
  }
  for (const [label, value] of scenario.foreign ?? [])
    flash.put(label, "hsm-secrets-operator", Buffer.from(value));
  if (scenario.foreign !== undefined) await client.refresh();
  for (let i = 0; scenario.fill === true; i += 1) {
    const built = buildRecord({ path: `fill/f${i}`, current: undefined, keys: [] }, CONTEXT);
    const [result] = await client.write([
      { path: built.record.path, record: built.bytes, expect: { kind: "any" } },
    ]);
    if (result?.status !== "written") break;
  }
  const before = await look(client, PATH);
  await client.close();
  const generation = scenario.past.length + 1;
  const next =
    scenario.next === "tombstone"
      ? buildTombstone({ path: PATH, current: record }, CONTEXT)
      : buildRecord(
          { path: PATH, current: record, keys: [["v", content(generation, scenario.next)]] },
          CONTEXT,
        );
  return {
    flash,
    before,
    after:
      scenario.next === "tombstone"
        ? "deleted"
        : `v=${content(generation, scenario.next).toString("latin1")}`,
    request: { path: PATH, record: next.bytes, expect: { kind: "any" }, historyLimit: scenario.historyLimit },
  };
}

/** The same token, after a restart. */
export async function reopen(
  flash: MemoryFlash,
  scenario: Pick<Scenario, "token">,
  fault?: MemoryTokenOptions["fault"],
): Promise<RecordStore> {
  return RecordStore.open(new MemoryToken({ ...scenario.token, flash, fault }), {
    randomBytes: CONTEXT.randomBytes,
    now: CONTEXT.now,
  });
}

/** A copy of the flash, so that one past serves many futures. */
export function copyOf(flash: MemoryFlash): MemoryFlash {
  const copy = new MemoryFlash();
  let last = 0;
  for (const [id, object] of flash.objects) {
    copy.objects.set(id, object);
    last = Math.max(last, id);
  }
  while (copy.take() < last) {
    // Ids are never used again for another object.
  }
  return copy;
}

async function put(
  client: HsmClient,
  path: string,
  generation: number,
  size: number,
  current: SecretRecord | undefined,
  historyLimit: number,
): Promise<SecretRecord> {
  const built = buildRecord({ path, current, keys: [["v", content(generation, size)]] }, CONTEXT);
  const [result] = await client.write([{ path, record: built.bytes, expect: { kind: "any" }, historyLimit }]);
  if (result?.status !== "written")
    throw new Error(`the past could not be written: ${JSON.stringify(result)}`);
  return built.record;
}
