/**
 * What every HsmClient does, whatever stands below it. One line runs it:
 *
 *     hsmClientConformance("mock", async () => ({ client: await createMockClient({ pool: "none" }) }));
 *
 * Each test gets a client of its own, over a token that holds nothing and belongs to no pool.
 */

import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DeviceEvent, HsmClient, PoolIdentity, ReadResult, WriteResult } from "../../src/hsm/client.ts";
import { isHsmError } from "../../src/hsm/errors.ts";
import {
  type BuildContext,
  type BuiltRecord,
  buildRecord,
  buildRollback,
  buildTombstone,
} from "../../src/hsm/record/build.ts";
import type { SecretRecord } from "../../src/hsm/record/record.ts";

export interface ClientUnderTest {
  readonly client: HsmClient;
  /** Ends what the client itself does not (server, token folder). The client is closed before. */
  readonly dispose?: (() => Promise<void>) | undefined;
}

export const POOL: PoolIdentity = {
  id: "00112233445566778899aabbccddeeff",
  members: ["A", "B"],
  checksumKey: Uint8Array.from({ length: 32 }, (_, i) => i),
};
const DB = "secrets/shop/db";

type Present = Extract<ReadResult, { state: "present" }>;

export function hsmClientConformance(name: string, open: () => Promise<ClientUnderTest>): void {
  describe(`an HSM client (${name})`, () => {
    let under: ClientUnderTest;
    let client: HsmClient;
    let context: BuildContext;

    beforeEach(async () => {
      under = await open();
      client = under.client;
      await client.setPool(POOL);
      const { serialNumber } = await client.info();
      context = {
        pool: Buffer.from(POOL.id, "hex"),
        device: serialNumber,
        writer: "conformance",
        now: () => new Date("2026-01-02T03:04:05.678Z"),
        randomBytes,
      };
    });

    afterEach(async () => {
      await client.close();
      await under.dispose?.();
    });

    const build = (path: string, values: Record<string, string>, current?: SecretRecord): BuiltRecord =>
      buildRecord(
        { path, current, keys: Object.entries(values).map(([key, value]) => [key, Buffer.from(value)]) },
        context,
      );
    const put = async (built: BuiltRecord, extra: object = {}): Promise<WriteResult | undefined> =>
      (
        await client.write([
          { path: built.record.path, record: built.bytes, expect: { kind: "any" }, ...extra },
        ])
      )[0];
    const present = async (path: string, generation?: number): Promise<Present> => {
      const result = await client.read(path, generation === undefined ? {} : { generation });
      if (result.state !== "present") throw new Error(`${path} is absent`);
      return result;
    };
    const valuesOf = (result: Present) =>
      result.record.keys.map(([key, value]) => [key, Buffer.from(value).toString()]);

    describe("the pool", () => {
      it("is what was set, and only its members can be changed", async () => {
        expect(await client.pool()).toEqual(POOL);
        await client.setPool({ ...POOL, members: ["C", "A"] });
        expect((await client.pool())?.members).toEqual(["A", "C"]);
      });

      it("is never replaced by another, nor its checksum key", async () => {
        await expect(client.setPool({ ...POOL, id: "f".repeat(32) })).rejects.toMatchObject({
          class: "Conflict",
        });
        const other = { ...POOL, checksumKey: new Uint8Array(32) };
        await expect(client.setPool(other)).rejects.toMatchObject({ class: "Conflict" });
        expect(await client.pool()).toEqual(POOL);
      });

      it("is in no listing and cannot be read as a secret", async () => {
        expect((await client.list()).entries).toEqual([]);
        await expect(client.read("_pool")).rejects.toMatchObject({ class: "BadInput" });
      });
    });

    describe("reading", () => {
      it("says absent for a path that was never written", async () => {
        expect(await client.read(DB)).toEqual({ state: "absent" });
        expect(await client.history(DB)).toEqual([]);
      });

      it("returns bytes as they were written, also binary and awkward keys", async () => {
        const binary = randomBytes(3000);
        const keys = [
          ["__proto__", Buffer.from("p")],
          ["constructor", new Uint8Array(0)],
          ["tls.crt", binary],
        ] as const;
        const built = buildRecord({ path: DB, current: undefined, keys }, context);
        expect(await put(built)).toEqual({ status: "written", generation: 1, digest: built.digest });
        const { record, digest, kind } = await present(DB);
        expect(kind).toBe("record");
        expect(digest).toBe(built.digest);
        expect(record.keys.map(([key]) => key)).toEqual(["__proto__", "constructor", "tls.crt"]);
        expect(record.keys.map(([, value]) => Buffer.from(value))).toEqual(
          keys.map(([, v]) => Buffer.from(v)),
        );
        expect(record.time).toBe("2026-01-02T03:04:05.678Z");
        expect(record.dot).toEqual([context.device, 1]);
      });

      it("keeps the meta of a record", async () => {
        const meta = {
          description: "the shop's database",
          labels: { team: "shop", __proto__x: "1" },
          source: "vault",
        };
        await put(buildRecord({ path: DB, current: undefined, keys: [], meta }, context));
        expect((await present(DB)).record.meta).toEqual(meta);
      });

      it.each(["", "/a", "a//b", "a/../b", "_pool", "a\0b"])("refuses the path %j", async (path) => {
        await expect(client.read(path)).rejects.toMatchObject({ class: "BadInput" });
        await expect(client.history(path)).rejects.toMatchObject({ class: "BadInput" });
      });
    });

    describe("listing", () => {
      it("names each path once, sorted, with generation and digest", async () => {
        const shop = build(DB, { user: "a" });
        const bank = build("secrets/bank/db", { user: "b" });
        await put(shop);
        await put(bank);
        expect((await client.list()).entries).toEqual([entry("secrets/bank/db", bank), entry(DB, shop)]);
      });

      it("matches a prefix by whole segments", async () => {
        for (const path of ["secrets/shop/db", "secrets/shop/db/replica", "secrets/shop/db-prod"]) {
          await put(build(path, { a: path }));
        }
        const paths = (await client.list({ prefix: DB })).entries.map(({ path }) => path);
        expect(paths).toEqual(["secrets/shop/db", "secrets/shop/db/replica"]);
      });

      it("has the same version while nothing changes, and another after a write", async () => {
        const before = (await client.list()).version;
        expect((await client.list()).version).toBe(before);
        await put(build(DB, { a: "1" }));
        const after = (await client.list()).version;
        expect(after).not.toBe(before);
        expect((await client.list()).version).toBe(after);
      });

      it("counts every object on the token", async () => {
        const before = await client.list();
        await put(build(DB, { a: "1" }));
        const after = await client.list();
        expect(after.objectsUsed).toBe(before.objectsUsed + 1);
        expect(after.objectCapacity).toBe((await client.info()).objectCapacity);
      });
    });

    describe("writing", () => {
      it("replaces what is there, and leaves its neighbours alone", async () => {
        await put(build("secrets/shop/db-prod", { a: "neighbour" }));
        const first = build(DB, { a: "1" });
        await put(first);
        await put(build(DB, { b: "2" }, first.record));
        expect(valuesOf(await present(DB))).toEqual([["b", "2"]]);
        expect(valuesOf(await present("secrets/shop/db-prod"))).toEqual([["a", "neighbour"]]);
      });

      it("is a conflict where another generation is expected, and changes nothing", async () => {
        const first = build(DB, { a: "1" });
        await put(first);
        const before = await client.list();
        const next = build(DB, { a: "2" }, first.record);
        const current = entry(DB, first);
        for (const expected of [
          { kind: "absent" },
          { kind: "generation", generation: 0 },
          { kind: "generation", generation: 2 },
          { kind: "generation", generation: 1, digest: "0".repeat(32) },
        ]) {
          expect(await put(next, { expect: expected })).toEqual({ status: "conflict", current });
        }
        const nowhere = build("secrets/shop/other", { a: "1" });
        expect(await put(nowhere, { expect: { kind: "generation", generation: 1 } })).toEqual({
          status: "conflict",
          current: undefined,
        });
        expect(await client.list()).toEqual(before);
      });

      it("happens where the expected generation is there", async () => {
        const first = build(DB, { a: "1" });
        expect(await put(first, { expect: { kind: "absent" } })).toMatchObject({ status: "written" });
        const second = build(DB, { a: "2" }, first.record);
        const expected = { kind: "generation", generation: 1, digest: first.digest };
        expect(await put(second, { expect: expected })).toMatchObject({ status: "written", generation: 2 });
      });

      it("answers a retry of the same record as written, and writes it once", async () => {
        const first = build(DB, { a: "1" });
        await put(first, { expect: { kind: "absent" } });
        const used = (await client.list()).objectsUsed;
        expect(await put(first, { expect: { kind: "absent" } })).toMatchObject({
          status: "written",
          generation: 1,
        });
        expect((await client.list()).objectsUsed).toBe(used);
      });

      it("refuses a record that another one descends from", async () => {
        const first = build(DB, { a: "1" });
        const second = build(DB, { a: "2" }, first.record);
        await put(first);
        await put(second);
        const late = build(DB, { a: "late" });
        expect(await put(late)).toMatchObject({ status: "conflict" });
        expect(valuesOf(await present(DB))).toEqual([["a", "2"]]);
      });

      it("carries many requests at once, each with its own answer", async () => {
        const paths = Array.from({ length: 12 }, (_, i) => `secrets/many/s${i}`);
        const requests = paths.map((path) => ({
          path,
          record: build(path, { path }).bytes,
          expect: { kind: "absent" } as const,
        }));
        const results = await client.write([
          ...requests,
          ...requests.slice(0, 1).map((r) => ({ ...r, path: DB })),
        ]);
        expect(results.slice(0, 12).map(({ status }) => status)).toEqual(paths.map(() => "written"));
        expect(results[12]).toMatchObject({ status: "failed" });
        for (const path of paths) expect(valuesOf(await present(path))).toEqual([["path", path]]);
      });

      it("lets exactly one of many writers of the same generation win", async () => {
        const first = build(DB, { a: "0" });
        await put(first);
        const rivals = Array.from({ length: 8 }, (_, i) => build(DB, { a: `rival ${i}` }, first.record));
        const results = await Promise.all(
          rivals.map((rival) => put(rival, { expect: { kind: "generation", generation: 1 } })),
        );
        const winners = results.flatMap((result, i) => (result?.status === "written" ? [i] : []));
        expect(winners).toHaveLength(1);
        expect(results.filter((result) => result?.status === "conflict")).toHaveLength(7);
        expect(valuesOf(await present(DB))).toEqual([["a", `rival ${winners[0]}`]]);
      });

      it("refuses what is no record, a record of another path and one of another pool", async () => {
        const built = build(DB, { a: "1" });
        const torn = built.bytes.slice(0, -1);
        const write = (path: string, record: Uint8Array) =>
          client.write([{ path, record, expect: { kind: "any" } }]);
        expect((await write(DB, torn))[0]).toMatchObject({ status: "failed" });
        expect((await write("secrets/shop/other", built.bytes))[0]).toMatchObject({ status: "failed" });
        const foreign = buildRecord(
          { path: DB, current: undefined, keys: [] },
          { ...context, pool: new Uint8Array(16) },
        );
        const refused = await put(foreign);
        expect(refused).toMatchObject({ status: "failed" });
        if (refused?.status === "failed") expect(isHsmError(refused.error, "Conflict")).toBe(true);
        expect((await client.list()).entries).toEqual([]);
      });

      it("refuses a generation far above the known one", async () => {
        const first = build(DB, { a: "1" });
        await put(first);
        const far = build(DB, { a: "2" }, { ...first.record, generation: 2 ** 20 + 5 });
        expect(await put(far)).toMatchObject({ status: "failed" });
        expect((await present(DB)).record.generation).toBe(1);
      });

      it("keeps a secret of many parts whole", async () => {
        const { partSize } = await client.info();
        const value = randomBytes(Math.min(partSize * 3, 200_000));
        await put(buildRecord({ path: DB, current: undefined, keys: [["blob", value]] }, context));
        const { record } = await present(DB);
        expect(Buffer.from(record.keys[0]?.[1] ?? []).equals(value)).toBe(true);
        expect((await client.list()).entries[0]?.objects).toBeGreaterThan(1);
      });
    });

    describe("history", () => {
      const fill = async (generations: number, historyLimit: number): Promise<BuiltRecord[]> => {
        const records: BuiltRecord[] = [];
        for (let i = 1; i <= generations; i += 1) {
          const built = build(DB, { a: `value ${i}` }, records.at(-1)?.record);
          await put(built, { historyLimit });
          records.push(built);
        }
        return records;
      };

      it("keeps as many generations as the limit says, newest first", async () => {
        const records = await fill(5, 2);
        expect((await client.history(DB)).map(({ generation, served }) => [generation, served])).toEqual([
          [5, true],
          [4, false],
          [3, false],
        ]);
        expect((await client.history(DB))[1]).toMatchObject({
          digest: records[3]?.digest,
          writer: "conformance",
        });
        expect(valuesOf(await present(DB, 3))).toEqual([["a", "value 3"]]);
        expect(await client.read(DB, { generation: 2 })).toEqual({ state: "absent" });
        expect(await client.read(DB, { generation: 6 })).toEqual({ state: "absent" });
      });

      it("keeps none with a limit of 0", async () => {
        await fill(3, 0);
        expect((await client.history(DB)).map(({ generation }) => generation)).toEqual([3]);
      });

      it("is what a rollback takes its keys from, as a new generation", async () => {
        const records = await fill(3, 5);
        const current = (await present(DB)).record;
        const old = (await present(DB, 1)).record;
        await put(buildRollback(current, old, context));
        const after = await present(DB);
        expect(after.record.generation).toBe(4);
        expect(valuesOf(after)).toEqual([["a", "value 1"]]);
        expect(records).toHaveLength(3);
      });
    });

    describe("deleting", () => {
      it("leaves a tombstone that is present, and destroys what was before", async () => {
        const first = build(DB, { a: "1" });
        await put(first);
        const second = build(DB, { a: "2" }, first.record);
        await put(second, { historyLimit: 5 });
        const before = (await client.list()).objectsUsed;
        const gone = buildTombstone({ path: DB, current: second.record }, context);
        expect(await put(gone, { historyLimit: 5 })).toMatchObject({ status: "written", generation: 3 });
        expect((await client.list()).objectsUsed).toBe(before - 1);
        expect((await client.list()).entries).toMatchObject([
          { path: DB, generation: 3, state: "dead", records: 1 },
        ]);
        const read = await present(DB);
        expect(read.record.deleted).toBe(true);
        expect(read.record.keys).toEqual([]);
        expect(await client.read(DB, { generation: 2 })).toEqual({ state: "absent" });
      });

      it("can be followed by a new secret, which goes on counting", async () => {
        const first = build(DB, { a: "1" });
        await put(first);
        const gone = buildTombstone({ path: DB, current: first.record }, context);
        await put(gone);
        expect(await put(build(DB, { a: "new" }), { expect: { kind: "absent" } })).toMatchObject({
          status: "conflict",
        });
        expect(await put(build(DB, { a: "new" }, gone.record))).toMatchObject({
          status: "written",
          generation: 3,
        });
        expect(valuesOf(await present(DB))).toEqual([["a", "new"]]);
      });
    });

    describe("two devices that wrote apart", () => {
      it("are a conflict: both kept, the higher generation served, settled by a record that knows both", async () => {
        const base = build(DB, { a: "base" });
        await put(base);
        const elsewhere = { ...context, device: "elsewhere" };
        const other = buildRecord(
          {
            path: DB,
            current: buildRecord({ path: DB, current: base.record, keys: [] }, elsewhere).record,
            keys: [["a", Buffer.from("theirs")]],
          },
          elsewhere,
        );
        const ours = build(DB, { a: "ours" }, base.record);
        await put(ours, { historyLimit: 0 });
        await put(other, { historyLimit: 0 });
        expect((await client.list()).entries).toMatchObject([{ generation: 3, conflict: true, records: 2 }]);
        const read = await present(DB);
        expect(valuesOf(read)).toEqual([["a", "theirs"]]);
        expect(read.conflicts).toEqual([{ generation: 2, digest: ours.digest }]);
        const settled = buildRecord(
          { path: DB, current: other.record, settles: [ours.record], keys: [["a", Buffer.from("both")]] },
          context,
        );
        await put(settled, { historyLimit: 0 });
        expect((await client.list()).entries).toMatchObject([{ generation: 4, conflict: false, records: 1 }]);
      });
    });

    describe("changes", () => {
      it("names the paths that changed since the call, and ends with its signal", async () => {
        await put(build("secrets/shop/before", { a: "1" }));
        const stop = new AbortController();
        const events = client.changes(stop.signal)[Symbol.asyncIterator]();
        const first = events.next();
        await put(build(DB, { a: "1" }));
        const { value } = (await first) as IteratorYieldResult<DeviceEvent>;
        expect(value).toMatchObject({ kind: "changed", paths: [DB] });
        stop.abort();
        const rest: DeviceEvent[] = [];
        for (let next = await events.next(); next.done !== true; next = await events.next())
          rest.push(next.value);
        expect(rest.flatMap((event) => (event.kind === "changed" ? event.paths : []))).not.toContain(
          "secrets/shop/before",
        );
      });
    });

    it("lets a reader see the old secret or the new one while it is written and the token is refreshed", async () => {
      let current = build(DB, { a: "0" });
      await put(current);
      let writing = true;
      const seen: string[] = [];
      const reader = (async () => {
        while (writing) {
          const result = await client.read(DB);
          if (result.state === "absent") throw new Error("a reader saw nothing");
          seen.push(valuesOf(result)[0]?.[1] ?? "");
        }
      })();
      for (let i = 1; i <= 10; i += 1) {
        const next = build(DB, { a: String(i) }, current.record);
        await Promise.all([put(next, { historyLimit: 0 }), client.refresh()]);
        current = next;
      }
      writing = false;
      await reader;
      expect(seen).toEqual([...seen].sort((a, b) => Number(a) - Number(b)));
    });
  });
}

function entry(path: string, built: BuiltRecord) {
  const { digest } = built;
  const { generation } = built.record;
  return { path, kind: "record", generation, digest, state: "live", objects: 1, records: 1, conflict: false };
}
