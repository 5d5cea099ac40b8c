import { afterEach, describe, expect, it, vi } from "vitest";
import type { HsmClient } from "../../src/hsm/client.ts";
import { HsmError } from "../../src/hsm/errors.ts";
import { MemoryToken } from "../../src/hsm/mock/memory-token.ts";
import { createMockClient, mockPool } from "../../src/hsm/mock/mock-client.ts";
import { createPoolStore, type PoolStoreOptions } from "../../src/pool/create.ts";
import type { OperationReport } from "../../src/pool/device.ts";
import type { SecretStore, WriteIntent } from "../../src/pool/store.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const PATH = "secrets/shop/db";
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const intent = (extra: Partial<WriteIntent> = {}): WriteIntent => ({
  path: PATH,
  keys: [["user", bytes("ada")]],
  expect: "absent",
  writer: "test",
  ...extra,
});

const stores: SecretStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

async function mock(token: MemoryToken): Promise<HsmClient> {
  return createMockClient({ token, pool: "none" });
}

async function open(client: HsmClient, options: Partial<PoolStoreOptions> = {}): Promise<SecretStore> {
  const { serialNumber } = await client.info();
  const store = createPoolStore({
    devices: [{ name: "usb", agents: [{ serialNumber, client }] }],
    checksumKey: KEY,
    random: () => 0,
    ...options,
  });
  stores.push(store);
  return store;
}

async function written(store: SecretStore, what: WriteIntent) {
  const outcome = await store.write(what);
  if (outcome.status !== "written") throw new Error(`not written: ${JSON.stringify(outcome)}`);
  return outcome;
}

describe("a token that was never written", () => {
  it("joins a pool with its first write, and the secret is there at once", async () => {
    const client = await mock(new MemoryToken());
    const store = await open(client);
    expect(await store.observe({ path: PATH })).toEqual({ state: "absent", pool: "" });
    const first = await written(store, intent());
    expect(first).toMatchObject({ generation: 1, dot: ["MOCK0001", 1] });
    expect(await client.pool()).toEqual({ id: first.pool, members: ["MOCK0001"], checksumKey: KEY });
    expect(await store.observe({ path: PATH })).toEqual({
      state: "present",
      kind: "record",
      pool: first.pool,
      generation: 1,
      digest: first.digest,
      deleted: false,
      conflict: false,
    });
    const read = await store.read({ path: PATH });
    expect(read).toMatchObject({ state: "present", digest: first.digest, checksum: first.checksum });
    expect(store.knowsChecksum(first.checksum)).toBe(true);
    expect(first.checksum).toBe(store.checksum([["user", bytes("ada")]]));
  });

  it("joins as soon as it is seen where the store claims blank tokens: whoever writes first finds our key", async () => {
    const client = await mock(new MemoryToken());
    await open(client, { claimBlank: true });
    await vi.waitUntil(async () => (await client.pool()) !== undefined, { timeout: 5_000 });
    expect(await client.pool()).toMatchObject({ members: ["MOCK0001"], checksumKey: KEY });
    expect((await client.list()).entries).toEqual([]);
  });

  it("joins once, however many write first", async () => {
    const client = await mock(new MemoryToken());
    const store = await open(client);
    const paths = Array.from({ length: 8 }, (_, i) => `secrets/shop/${i}`);
    const outcomes = await Promise.all(paths.map((path) => written(store, intent({ path }))));
    expect(new Set(outcomes.map(({ pool }) => pool)).size).toBe(1);
  });
});

describe("a write", () => {
  it("descends from what the plan saw, and refuses anything else", async () => {
    const store = await open(await mock(new MemoryToken()));
    const first = await written(store, intent());
    const second = await written(store, intent({ keys: [["user", bytes("eve")]], expect: first }));
    expect(second).toMatchObject({ generation: 2, dot: ["MOCK0001", 2] });
    expect(await store.write(intent({ expect: first }))).toEqual({ status: "conflict" });
    expect(await store.write(intent())).toEqual({ status: "conflict" });
    expect(await store.read({ path: PATH })).toMatchObject({ digest: second.digest });
    expect(await store.read({ path: PATH, generation: 1 })).toMatchObject({ digest: first.digest });
  });

  it("without keys leaves a tombstone, which is present", async () => {
    const store = await open(await mock(new MemoryToken()));
    const first = await written(store, intent());
    await written(store, intent({ keys: null, expect: first }));
    expect(await store.observe({ path: PATH })).toMatchObject({ state: "present", deleted: true });
  });

  it("whose answer was lost succeeds when it is made again, and is there once", async () => {
    const client = await mock(new MemoryToken());
    let lose = true;
    const write: HsmClient["write"] = async (requests, options) => {
      const results = await client.write(requests, options);
      if (!lose) return results;
      lose = false;
      throw new HsmError("Timeout", "No answer came.", { operation: "write" });
    };
    const store = await open(wrap(client, { write }));
    expect(await store.write(intent())).toMatchObject({ status: "failed", errorClass: "Timeout" });
    expect(await written(store, intent())).toMatchObject({ generation: 1 });
    expect(await client.history(PATH)).toHaveLength(1);
  });

  it("by another program is seen by its event, and told to who listens", async () => {
    const token = new MemoryToken();
    const client = await mock(token);
    const store = await open(client);
    const first = await written(store, intent());
    const told: (readonly string[] | null)[] = [];
    store.onChange((paths) => told.push(paths));
    const other = await open(wrap(client, { close: async () => {} }));
    const second = await written(other, intent({ keys: [], expect: first }));
    await vi.waitUntil(() => told.some((paths) => paths?.includes(PATH)));
    expect(await store.observe({ path: PATH })).toMatchObject({ digest: second.digest });
  });
});

describe("reads", () => {
  it("of one record at once cost one read on the token", async () => {
    const client = await mock(new MemoryToken());
    let reads = 0;
    const read: HsmClient["read"] = async (path, options) => {
      reads += 1;
      return client.read(path, options);
    };
    const store = await open(wrap(client, { read }));
    const first = await written(store, intent());
    reads = 0;
    const all = await Promise.all(Array.from({ length: 20 }, () => store.read({ path: PATH })));
    expect(all.every((one) => one.state === "present" && one.digest === first.digest)).toBe(true);
    expect(reads).toBe(1);
  });

  it("that find nothing where the listing shows a record fail, and are never absent", async () => {
    const client = await mock(new MemoryToken());
    let lie = false;
    const read: HsmClient["read"] = async (path, options) =>
      lie ? { state: "absent" } : client.read(path, options);
    const store = await open(wrap(client, { read }));
    await written(store, intent());
    lie = true;
    expect(await store.read({ path: PATH })).toMatchObject({ state: "failed", errorClass: "Busy" });
  });

  it("whose record does not have its digest fail", async () => {
    const client = await mock(new MemoryToken());
    let torn = false;
    const read: HsmClient["read"] = async (path, options) => {
      const result = await client.read(path, options);
      if (!torn || result.state === "absent") return result;
      return { ...result, record: { ...result.record, keys: [["user", bytes("ad")]] } };
    };
    const store = await open(wrap(client, { read }));
    await written(store, intent());
    torn = true;
    expect(await store.read({ path: PATH })).toMatchObject({ state: "failed", errorClass: "Corrupt" });
  });
});

describe("a device that is away", () => {
  it("is failed and not absent, and comes back with everything to be looked at", async () => {
    const token = new MemoryToken();
    const store = await open(await mock(token));
    const first = await written(store, intent());
    const told: (readonly string[] | null)[] = [];
    store.onChange((paths) => told.push(paths));
    token.powerOff();
    await vi.waitUntil(() => told.includes(null));
    const gone = { state: "failed", errorClass: "TokenGone" };
    expect(await store.observe({ path: PATH })).toMatchObject(gone);
    expect(await store.observe({ path: "secrets/shop/other" })).toMatchObject(gone);
    expect(await store.read({ path: PATH })).toMatchObject(gone);
    expect(await store.write(intent({ expect: first }))).toMatchObject({
      status: "failed",
      errorClass: "TokenGone",
    });
    told.length = 0;
    token.powerOn();
    await vi.waitUntil(() => told.includes(null));
    expect(await store.observe({ path: PATH })).toMatchObject({ state: "present", digest: first.digest });
  });

  it("at the start is failed after the first look, and serves once it is there", async () => {
    const client = await mock(new MemoryToken());
    let away = true;
    const list: HsmClient["list"] = async (options) => {
      if (away) throw new HsmError("TokenGone", "It is away.", { operation: "list" });
      return client.list(options);
    };
    const store = await open(wrap(client, { list }));
    expect(await store.observe({ path: PATH })).toMatchObject({ state: "failed", message: "It is away." });
    away = false;
    await vi.waitUntil(async () => (await store.observe({ path: PATH })).state === "absent", {
      timeout: 5_000,
    });
  });

  it("that never answers holds up no other, and who waits can give up", async () => {
    const slow = await mock(new MemoryToken({ serialNumber: "SLOW" }));
    const quick = await mock(new MemoryToken({ serialNumber: "QUICK" }));
    const hung = wrap(slow, { list: () => new Promise(() => {}) });
    const store = createPoolStore({
      devices: [
        {
          name: "slow",
          agents: [{ serialNumber: "SLOW", client: hung }],
          grants: (path) => path.startsWith("secrets/slow/"),
        },
        { name: "quick", agents: [{ serialNumber: "QUICK", client: quick }] },
      ],
      checksumKey: KEY,
    });
    stores.push(store);
    const controller = new AbortController();
    const waiting = store.observe({ path: "secrets/slow/a" }, controller.signal);
    expect(await written(store, intent())).toMatchObject({ dot: ["QUICK", 1] });
    expect(await store.observe({ path: PATH, device: "quick" })).toMatchObject({ state: "present" });
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });
});

describe("another pool's token", () => {
  it("in place of ours is read and never written", async () => {
    const client = await createMockClient({ secrets: { [PATH]: { user: "bob" } } });
    const pool = mockPool("MOCK0001");
    const { serialNumber } = await client.info();
    const store = createPoolStore({
      devices: [{ name: "usb", agents: [{ serialNumber, client }], poolId: "ab".repeat(16) }],
      checksumKey: pool.checksumKey,
    });
    stores.push(store);
    const read = await store.read({ path: PATH });
    expect(read).toMatchObject({ state: "present", pool: pool.id });
    const seen = await store.observe({ path: PATH });
    if (seen.state !== "present") throw new Error("not present");
    expect(await store.write(intent({ expect: seen }))).toMatchObject({
      status: "failed",
      errorClass: "Conflict",
      message: expect.stringContaining("another pool"),
    });
    expect(await client.history(PATH)).toHaveLength(1);
  });

  it("is not claimed", async () => {
    const client = await createMockClient({});
    const store = await open(client, { claimBlank: true });
    expect(await store.observe({ path: PATH })).toMatchObject({ state: "absent" });
    expect(await store.write(intent())).toMatchObject({ status: "failed", errorClass: "Conflict" });
    const { checksumKey } = mockPool("MOCK0001");
    expect((await client.pool())?.checksumKey).toEqual(new Uint8Array(checksumKey));
  });

  it("with our id and another key of checksums is not written either", async () => {
    const client = await createMockClient({});
    const store = await open(client);
    expect(await store.write(intent())).toMatchObject({ status: "failed", errorClass: "Conflict" });
    expect((await client.pool())?.checksumKey).not.toEqual(KEY);
    expect((await client.list()).entries).toEqual([]);
  });
});

describe("what is counted", () => {
  it("names operation, device and outcome of every call", async () => {
    const reports: OperationReport[] = [];
    const store = await open(await mock(new MemoryToken()), {
      onOperation: (report) => reports.push(report),
    });
    await written(store, intent());
    const seen = new Set(
      reports.map(({ operation, device, outcome }) => `${operation} ${device} ${outcome}`),
    );
    expect([...seen]).toEqual(
      expect.arrayContaining(["info usb ok", "list usb ok", "setPool usb ok", "write usb ok"]),
    );
  });
});

/** The client with some calls replaced. */
function wrap(client: HsmClient, calls: Partial<HsmClient>): HsmClient {
  return {
    info: (options) => client.info(options),
    pool: (options) => client.pool(options),
    setPool: (pool, options) => client.setPool(pool, options),
    list: (options) => client.list(options),
    read: (path, options) => client.read(path, options),
    write: (requests, options) => client.write(requests, options),
    history: (path, options) => client.history(path, options),
    refresh: (options) => client.refresh(options),
    changes: (signal) => client.changes(signal),
    close: () => client.close(),
    ...calls,
  };
}
