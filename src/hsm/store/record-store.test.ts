import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { DeviceEvent } from "../client.ts";
import { type Fault, MemoryFlash, MemoryToken, type NativeCall } from "../mock/memory-token.ts";
import { createMockClient, mockPool } from "../mock/mock-client.ts";
import { type BuildContext, buildRecord } from "../record/build.ts";
import type { SecretRecord } from "../record/record.ts";

const DB = "secrets/shop/db";
const OLD = "hsm-secrets-operator";
const CONTEXT: BuildContext = {
  pool: Buffer.from(mockPool("MOCK0001").id, "hex"),
  device: "MOCK0001",
  writer: "test",
  now: () => new Date(0),
  randomBytes,
};

const build = (path: string, value: string, current?: SecretRecord) =>
  buildRecord({ path, current, keys: [["k", Buffer.from(value)]] }, CONTEXT);

async function setUp(fault?: (call: NativeCall) => Fault | undefined) {
  const flash = new MemoryFlash();
  let active = false;
  const token = new MemoryToken({
    flash,
    verification: "refresh",
    fault: (call) => (active ? fault?.(call) : undefined),
  });
  const client = await createMockClient({ token, secrets: { [DB]: { k: "old" } } });
  return {
    flash,
    token,
    client,
    arm: () => {
      active = true;
    },
  };
}

describe("per-key objects of an earlier program", () => {
  it("are read as one secret of generation 0, with their metadata, and nothing of a neighbour", async () => {
    const { flash, client } = await setUp();
    flash.put("secrets/old/db/user", OLD, Buffer.from("ada"));
    flash.put(
      "secrets/old/db/_metadata",
      OLD,
      Buffer.from('{"description":"d","labels":{"sync.version":"7"}}'),
    );
    flash.put("secrets/old/db-prod/user", OLD, Buffer.from("not ada"));
    flash.put("secrets/old/db-prod/_metadata", OLD, Buffer.from("not JSON"));
    const { entries } = await client.refresh();
    expect(
      entries.filter(({ kind }) => kind === "foreign").map(({ path, objects }) => [path, objects]),
    ).toEqual([
      ["secrets/old/db", 2],
      ["secrets/old/db-prod", 2],
    ]);
    const read = await client.read("secrets/old/db");
    expect(read).toMatchObject({
      state: "present",
      kind: "foreign",
      digest: "",
      record: { generation: 0, deleted: false },
    });
    if (read.state !== "present") throw new Error("absent");
    expect(read.record.keys).toEqual([["user", Uint8Array.from(Buffer.from("ada"))]]);
    expect(read.record.meta).toMatchObject({ description: "d", labels: { "sync.version": "7" } });
  });

  it("are dead when their metadata says that they were deleted", async () => {
    const { flash, client } = await setUp();
    flash.put("secrets/old/db/user", OLD, Buffer.from("ada"));
    flash.put("secrets/old/db/_metadata", OLD, Buffer.from('{"labels":{"sync.deleted":"true"}}'));
    const { entries } = await client.refresh();
    expect(entries.find(({ path }) => path === "secrets/old/db")?.state).toBe("dead");
    expect(await client.read("secrets/old/db")).toMatchObject({ record: { deleted: true, keys: [] } });
  });

  it("become a record with the first write, which does not count them as a generation", async () => {
    const { flash, client } = await setUp();
    flash.put("secrets/old/db/user", OLD, Buffer.from("ada"));
    flash.put("secrets/old/db/_metadata", OLD, Buffer.from("{}"));
    const used = (await client.refresh()).objectsUsed;
    const built = build("secrets/old/db", "new");
    const [result] = await client.write([
      { path: "secrets/old/db", record: built.bytes, expect: { kind: "absent" } },
    ]);
    expect(result?.status).toBe("written");
    expect((await client.list()).objectsUsed).toBe(used - 1);
    expect(await client.read("secrets/old/db")).toMatchObject({ kind: "record", record: { generation: 1 } });
  });
});

describe("plain objects of other programs", () => {
  it("are seen only when asked for, and never touched", async () => {
    const { flash, client } = await setUp();
    const id = flash.put("app/config", "some tool", Buffer.from("v"));
    await client.refresh();
    expect((await client.list()).entries.map(({ path }) => path)).toEqual([DB]);
    expect((await client.list({ foreign: true })).entries.map(({ path }) => path)).toEqual([
      "app/config",
      DB,
    ]);
    expect(await client.read("app/config")).toEqual({ state: "absent" });
    expect(await client.read("app/config", { foreign: true })).toMatchObject({ kind: "foreign" });
    const built = build("app/config", "ours");
    await client.write([{ path: "app/config", record: built.bytes, expect: { kind: "absent" } }]);
    expect(flash.objects.has(id)).toBe(true);
  });
});

describe("a read that failed is not an absent secret", () => {
  it("rejects when the token is gone, and works again when it is back", async () => {
    const { token, client } = await setUp();
    const stop = new AbortController();
    const events = client.changes(stop.signal)[Symbol.asyncIterator]();
    token.powerOff();
    await expect(client.read(DB)).rejects.toMatchObject({ class: "TokenGone" });
    token.powerOn();
    expect(await client.read(DB)).toMatchObject({ state: "present" });
    const kinds: DeviceEvent["kind"][] = [];
    for (let i = 0; i < 2; i += 1) {
      const next = await events.next();
      if (next.done !== true) kinds.push(next.value.kind);
    }
    expect(kinds).toEqual(["gone", "back"]);
    stop.abort();
  });

  it("takes half a value once for what it is: a second look finds the record whole", async () => {
    let reads = 0;
    const { client, arm } = await setUp((call) => {
      if (call.kind !== "read") return undefined;
      reads += 1;
      return reads === 1 ? { kind: "lie", keeps: 30 } : undefined;
    });
    arm();
    expect(await client.read(DB)).toMatchObject({
      state: "present",
      record: { generation: 1 },
      problems: [],
    });
    expect((await client.list()).problems).toEqual([]);
  });

  it.each(["Busy", "Timeout", "AuthFailed"] as const)("passes %s on", async (error) => {
    const { client, arm } = await setUp((call) =>
      call.kind === "read" ? { kind: "fail", error } : undefined,
    );
    arm();
    await expect(client.read(DB)).rejects.toMatchObject({ class: error });
  });
});

describe("a write that failed", () => {
  it("changes nothing, and the next one works", async () => {
    let creates = 0;
    const { client, arm } = await setUp((call) => {
      if (call.kind !== "create") return undefined;
      creates += 1;
      return creates === 1 ? { kind: "fail", error: "NoSpace" } : undefined;
    });
    arm();
    const read = await client.read(DB);
    const current = read.state === "present" ? read.record : undefined;
    const next = build(DB, "new", current);
    const request = { path: DB, record: next.bytes, expect: { kind: "generation", generation: 1 } } as const;
    expect((await client.write([request]))[0]).toMatchObject({
      status: "failed",
      error: { class: "NoSpace" },
    });
    expect(await client.read(DB)).toMatchObject({ record: { generation: 1 } });
    expect((await client.write([request]))[0]).toMatchObject({ status: "written", generation: 2 });
  });

  it("fails alone: others of its group are written", async () => {
    let creates = 0;
    const { client, arm } = await setUp((call) => {
      if (call.kind !== "create") return undefined;
      creates += 1;
      return creates === 2 ? { kind: "fail", error: "TooLarge" } : undefined;
    });
    arm();
    const requests = ["a", "b", "c"].map((path) => ({
      path,
      record: build(path, path).bytes,
      expect: { kind: "absent" } as const,
    }));
    const results = await client.write(requests);
    expect(results.map(({ status }) => status)).toEqual(["written", "failed", "written"]);
    expect((await client.list()).entries.map(({ path }) => path)).toEqual(["a", "c", DB]);
  });
});

describe("group commit", () => {
  it("proves many waiting writes by one refresh", async () => {
    const refreshes: number[] = [];
    const { client, arm } = await setUp((call) => {
      if (call.kind === "refresh") refreshes.push(call.n);
      return undefined;
    });
    arm();
    const paths = Array.from({ length: 20 }, (_, i) => `secrets/many/s${i}`);
    const results = await Promise.all(
      paths.map((path) =>
        client.write([{ path, record: build(path, "v").bytes, expect: { kind: "absent" } }]),
      ),
    );
    expect(results.flat().every(({ status }) => status === "written")).toBe(true);
    expect(refreshes.length).toBeLessThanOrEqual(2);
  });
});

describe("a token without a pool", () => {
  it("takes no secret", async () => {
    const client = await createMockClient({ pool: "none" });
    const [result] = await client.write([
      { path: DB, record: build(DB, "v").bytes, expect: { kind: "any" } },
    ]);
    expect(result).toMatchObject({ status: "failed", error: { class: "BadInput" } });
  });
});

describe("a closed client", () => {
  it("says so, and answers writes that waited", async () => {
    const { client } = await setUp();
    await client.close();
    await client.close();
    await expect(client.read(DB)).rejects.toMatchObject({ class: "TokenGone" });
    await expect(client.list()).rejects.toMatchObject({ class: "TokenGone" });
  });
});
