/**
 * What operations cost on a smart card, in commands to it (APDUs): each takes some milliseconds on USB, so they are what
 * counts. Measured on the simulated card (test/stub), which counts as the recorded middleware and firmware do.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { HsmClient, WriteRequest } from "../src/hsm/client.ts";
import { openPkcs11Token } from "../src/hsm/pkcs11/token.ts";
import { buildRecord, buildTombstone } from "../src/hsm/record/build.ts";
import { createPkcs11Client } from "../src/hsm/store/record-store.ts";
import { makeStubToken, type StubToken } from "../test/stub.ts";

/** 128 stands for a card as full as the project makes one (120 objects), less what the measured writes need. */
const SIZES = [10, 64, 128];
const FULL = 106;
const POOL = new Uint8Array(16).fill(0xca);
const BATCH = 10;

interface Row {
  readonly objects: number;
  readonly operation: string;
  /** A single operation of it. */
  readonly apdus: number;
}

function context(token: StubToken) {
  return { pool: POOL, device: token.serialNumber, writer: "bench", now: () => new Date(), randomBytes };
}

function first(token: StubToken, path: string): WriteRequest {
  const built = buildRecord(
    { path, current: undefined, keys: [["value", randomBytes(256)]] },
    context(token),
  );
  return { path, record: built.bytes, expect: { kind: "any" } };
}

async function written(client: HsmClient, requests: readonly WriteRequest[]): Promise<void> {
  for (const result of await client.write(requests)) {
    if (result.status !== "written") {
      throw new Error(result.status === "failed" ? result.error.message : result.status);
    }
  }
}

async function measure(size: number): Promise<Row[]> {
  const token = await makeStubToken({ setEnvironment: true });
  try {
    const client = await createPkcs11Client(
      await openPkcs11Token({
        modulePath: token.modulePath,
        select: { serialNumber: token.serialNumber },
        pin: new TextEncoder().encode(token.pin),
        deviceType: "PicoHSM",
        lockDirectory: join(token.folder, "locks"),
        stateDirectory: join(token.folder, "state"),
      }),
    );
    try {
      return await operations(token, client, size);
    } finally {
      await client.close();
    }
  } finally {
    await token.dispose();
  }
}

async function operations(token: StubToken, client: HsmClient, size: number): Promise<Row[]> {
  const id = Buffer.from(POOL).toString("hex");
  await client.setPool({ id, members: [token.serialNumber], checksumKey: randomBytes(32) });
  // Room for the batch, the single write and what each keeps for a moment; the pool's own record counts.
  const { objectsUsed } = await client.list();
  const wanted = Math.min(size, FULL) - objectsUsed;
  for (let at = 0; at < wanted; at += 20) {
    const paths = Array.from({ length: Math.min(20, wanted - at) }, (_, i) => `filled/${at + i}`);
    await written(
      client,
      paths.map((path) => first(token, path)),
    );
  }
  const rows: Row[] = [];
  const count = async (operation: string, each: number, work: () => Promise<unknown>): Promise<void> => {
    const before = token.apdus();
    await work();
    rows.push({ objects: size, operation, apdus: (token.apdus() - before) / each });
  };
  await client.refresh();
  await count("read", 1, () => client.read("filled/0"));
  await count("read again", 1, () => client.read("filled/0"));
  await count("list", 1, () => client.list());
  await count("write", 1, () => written(client, [first(token, "single")]));
  const batch = Array.from({ length: BATCH }, (_, i) => first(token, `batch/${i}`));
  await count(`write, of a batch of ${BATCH}`, BATCH, () => written(client, batch));
  const current = await client.read("single");
  if (current.state !== "present") throw new Error("the secret is not there");
  const tombstone = buildTombstone({ path: "single", current: current.record }, context(token));
  await count("delete", 1, () =>
    written(client, [{ path: "single", record: tombstone.bytes, expect: { kind: "any" } }]),
  );
  return rows;
}

const rows: Row[] = [];
for (const size of SIZES) rows.push(...(await measure(size)));
for (const { objects, operation, apdus } of rows) {
  process.stdout.write(`${String(objects).padStart(4)}  ${operation.padEnd(24)} ${apdus.toFixed(1)}\n`);
}
const of = (operation: string): number =>
  rows.find((row) => row.objects === 128 && row.operation === operation)?.apdus ?? Number.NaN;
const ratios = {
  apdus_per_read_cached: of("read again"),
  apdus_per_write_128_batch10: of(`write, of a batch of ${BATCH}`),
};
process.stdout.write(`${JSON.stringify({ bench: "card", ratios, rows })}\n`);
