/** A record store over a token, as the runners and the bench open it, and the operations on it. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { HsmClient, WriteRequest, WriteResult } from "../../src/hsm/client.ts";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { buildRecord, buildTombstone } from "../../src/hsm/record/build.ts";
import { createPkcs11Client } from "../../src/hsm/store/record-store.ts";
import type { ObjectToken } from "../../src/hsm/token.ts";

export interface Place {
  readonly modulePath: string;
  readonly serialNumber: string;
  readonly pinFile: string;
}

/** All copies of a token are of one pool. */
const POOL = new Uint8Array(16).fill(0xbe);

export function placeFrom(args: readonly string[]): Place {
  const [modulePath = "", serialNumber = "", pinFile = ""] = args;
  return { modulePath, serialNumber, pinFile };
}

export async function openToken(place: Place): Promise<ObjectToken> {
  const folder = dirname(place.pinFile);
  return openPkcs11Token({
    modulePath: place.modulePath,
    select: { serialNumber: place.serialNumber },
    pin: new Uint8Array(await readFile(place.pinFile)),
    deviceType: "SoftHSM",
    lockDirectory: join(folder, "lock"),
    stateDirectory: join(folder, "state"),
  });
}

export async function openStore(place: Place): Promise<{ token: ObjectToken; client: HsmClient }> {
  const token = await openToken(place);
  return { token, client: await createPkcs11Client(token) };
}

function context(device: string) {
  return { pool: POOL, device, writer: "bench", now: () => new Date(), randomBytes };
}

/** The first generation of a secret with one key of 1 KiB. */
export function firstWrite(path: string, device: string): WriteRequest {
  const keys: [string, Uint8Array][] = [["value", randomBytes(1024)]];
  const built = buildRecord({ path, current: undefined, keys }, context(device));
  return { path, record: built.bytes, expect: { kind: "any" } };
}

/** Makes `count` secrets `bench/0` and so on. */
export async function fill(place: Place, count: number): Promise<void> {
  const { client } = await openStore(place);
  try {
    const id = Buffer.from(POOL).toString("hex");
    await client.setPool({ id, members: [place.serialNumber], checksumKey: randomBytes(32) });
    for (let from = 0; from < count; from += 50) {
      const paths = Array.from({ length: Math.min(50, count - from) }, (_, i) => `bench/${from + i}`);
      const results = await client.write(paths.map((path) => firstWrite(path, place.serialNumber)));
      const bad = results.find((result) => result.status !== "written");
      if (bad !== undefined) throw new Error(`the token could not be filled: ${explain(bad)}`);
    }
  } finally {
    await client.close();
  }
}

/** read, list, create and destroy of secrets, through any client. */
export async function secretOperations(client: HsmClient, device: string) {
  const { entries } = await client.list();
  const paths = entries.map(({ path }) => path);
  const made: string[] = [];
  let at = 0;
  let serial = 0;
  return {
    async read(): Promise<void> {
      const result = await client.read(paths[at++ % paths.length] ?? "");
      if (result.state !== "present") throw new Error("a secret is missing");
    },
    async list(): Promise<void> {
      await client.list();
    },
    async create(): Promise<void> {
      const path = `made/${device}-${serial++}`;
      await written(client, firstWrite(path, device));
      made.push(path);
    },
    async destroy(): Promise<void> {
      const path = made.pop() ?? "";
      const current = await client.read(path);
      if (current.state !== "present") throw new Error("a secret is missing");
      const built = buildTombstone({ path, current: current.record }, context(device));
      await written(client, { path, record: built.bytes, expect: { kind: "any" } });
    },
  };
}

async function written(client: HsmClient, request: WriteRequest): Promise<void> {
  const [result] = await client.write([request]);
  if (result?.status !== "written") throw new Error(`not written: ${explain(result)}`);
}

function explain(result: WriteResult | undefined): string {
  return result?.status === "failed" ? result.error.message : (result?.status ?? "no answer");
}
