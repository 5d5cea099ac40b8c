/** A client on the stub card, and what tests of its hazards do with it. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, vi } from "vitest";
import type { HsmClient, WriteResult } from "../../src/hsm/client.ts";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { type BuildContext, buildRecord } from "../../src/hsm/record/build.ts";
import { createPkcs11Client } from "../../src/hsm/store/record-store.ts";
import { makeStubToken, type StubProfile, type StubToken } from "../stub.ts";
import { POOL } from "./conformance.ts";

export const PATH = "secrets/shop/db";

async function openClient(token: StubToken): Promise<HsmClient> {
  const opened = await openPkcs11Token({
    modulePath: token.modulePath,
    select: { serialNumber: token.serialNumber },
    pin: new TextEncoder().encode(token.pin),
    lockDirectory: join(token.folder, "locks"),
    stateDirectory: join(token.folder, "state"),
  });
  return createPkcs11Client(opened);
}

function context(token: StubToken): BuildContext {
  return {
    pool: Buffer.from(POOL.id, "hex"),
    device: token.serialNumber,
    writer: "test",
    now: () => new Date("2026-01-02T03:04:05.678Z"),
    randomBytes,
  };
}

export async function write(client: HsmClient, token: StubToken, text: string): Promise<WriteResult> {
  const present = await client.read(PATH);
  const built = buildRecord(
    {
      path: PATH,
      current: present.state === "present" ? present.record : undefined,
      keys: [["value", new TextEncoder().encode(text)]],
    },
    context(token),
  );
  const [result] = await client.write([{ path: PATH, record: built.bytes, expect: { kind: "any" } }]);
  if (result === undefined) throw new Error("a write without a result");
  return result;
}

/** The value once the token is back: until then a read is TokenGone, never absent. */
export async function readText(client: HsmClient): Promise<string> {
  const result = await vi.waitFor(
    async () => {
      try {
        return await client.read(PATH);
      } catch (error) {
        expect(error).toMatchObject({ class: "TokenGone" });
        throw error;
      }
    },
    { timeout: 5_000, interval: 5 },
  );
  if (result.state !== "present") return "absent";
  const value = result.record.keys.find(([name]) => name === "value")?.[1];
  return new TextDecoder().decode(value);
}

/**
 * On one fresh card after another: writes `old`, then `new` with the card pulled after 0, `step`, 2 * `step`, ...
 * commands of that write, until one gets through; reads each time what a new client finds, and writes on. Returns
 * how the writes ended.
 */
export async function pullDuringWrites(profile: StubProfile, step: number): Promise<readonly string[]> {
  const outcomes: string[] = [];
  for (let commands = 0; commands < 300; commands += step) {
    const { outcome, pulled } = await pullDuringWrite(profile, commands);
    outcomes.push(outcome);
    if (!pulled) return outcomes;
  }
  throw new Error("no write got through");
}

async function pullDuringWrite(
  profile: StubProfile,
  commands: number,
): Promise<{ outcome: string; pulled: boolean }> {
  const text = `new ${"x".repeat(1_500)}`;
  const token = await makeStubToken({ profile, setEnvironment: true });
  try {
    const { status, pulled } = await onFreshClient(token, async (client) => {
      await client.setPool(POOL);
      expect((await write(client, token, "old")).status).toBe("written");
      await token.control(`remove after ${commands} apdus`);
      const result = await write(client, token, text);
      return { status: result.status, pulled: !token.present() };
    });
    await token.control("insert");
    const what = `pulled after ${commands} commands, the write ${status}`;
    return await onFreshClient(token, async (client) => {
      const after = await readText(client);
      expect(["old", text], what).toContain(after);
      if (status === "written") expect(after, what).toBe(text);
      // Whatever the broken write left, it stands in no other's way.
      for (const next of ["next", "and the next"]) {
        expect(await write(client, token, next), what).toMatchObject({ status: "written" });
        expect(await readText(client), what).toBe(next);
      }
      return { outcome: `${status}, ${after === text ? "new" : "old"}`, pulled };
    });
  } finally {
    await token.dispose();
  }
}

export async function onFreshClient<T>(token: StubToken, use: (client: HsmClient) => Promise<T>): Promise<T> {
  const client = await openClient(token);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** A card with a pool and `old` at the path, its client, and what ends both. */
export async function withCard(
  profile: StubProfile,
  use: (token: StubToken, client: HsmClient) => Promise<void>,
): Promise<void> {
  const token = await makeStubToken({ profile, setEnvironment: true });
  try {
    const client = await openClient(token);
    try {
      await client.setPool(POOL);
      expect((await write(client, token, "old")).status).toBe("written");
      await use(token, client);
    } finally {
      await client.close();
    }
  } finally {
    await token.dispose();
  }
}
