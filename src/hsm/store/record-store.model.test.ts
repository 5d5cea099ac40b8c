import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryFlash, MemoryToken } from "../mock/memory-token.ts";
import { mockPool } from "../mock/mock-client.ts";
import {
  type BuildContext,
  buildRecord,
  buildRollback,
  buildTombstone,
  type Current,
} from "../record/build.ts";
import type { SecretRecord } from "../record/record.ts";
import { RecordStore } from "./record-store.ts";

const POOL = mockPool("MOCK0001");
const LIMIT = 2;
const PATHS = ["secrets/shop/db", "secrets/shop/db-prod", "secrets/shop/db/replica", "a"];

type Operation =
  | { kind: "write"; path: number; value: string; size: number; expect: "right" | "wrong" | "any" }
  | { kind: "delete"; path: number }
  | { kind: "rollback"; path: number; back: number }
  | { kind: "retry"; path: number }
  | { kind: "refresh" }
  | { kind: "restart" };

const path = fc.nat(PATHS.length - 1);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant("write" as const),
    path,
    value: fc.string({ maxLength: 5 }),
    size: fc.integer({ min: 0, max: 900 }),
    expect: fc.constantFrom("right" as const, "wrong" as const, "any" as const),
  }),
  fc.record({ kind: fc.constant("delete" as const), path }),
  fc.record({ kind: fc.constant("rollback" as const), path, back: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("retry" as const), path }),
  fc.constant({ kind: "refresh" as const }),
  fc.constant({ kind: "restart" as const }),
);

/** The simple model: for each path its generations, newest last, cut to the limit. */
interface Generation {
  readonly generation: number;
  readonly text: string | null;
  readonly record: SecretRecord;
  readonly bytes: Uint8Array;
}
type Model = Map<string, Generation[]>;

function textOf(record: SecretRecord): string | null {
  return record.deleted ? null : record.keys.map(([k, v]) => `${k}=${Buffer.from(v).toString()}`).join();
}

async function check(store: RecordStore, model: Model): Promise<void> {
  const { entries, problems } = await store.list();
  expect(problems).toEqual([]);
  const expected = [...model].map(([at, all]) => [
    at,
    all.at(-1)?.generation,
    all.at(-1)?.text === null,
    all.length,
  ]);
  expect(entries.map((e) => [e.path, e.generation, e.state === "dead", e.records])).toEqual(
    expected.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  );
  for (const at of PATHS) {
    const all = model.get(at) ?? [];
    expect((await store.history(at)).map(({ generation }) => generation)).toEqual(
      all.map(({ generation }) => generation).reverse(),
    );
    if (all.length === 0) expect(await store.read(at)).toEqual({ state: "absent" });
    for (const { generation, text } of all) {
      const read = await store.read(at, { generation });
      expect(read.state === "present" && textOf(read.record)).toBe(text);
    }
  }
}

describe("any order of operations on a record store", () => {
  it.each(["readback", "refresh"] as const)("agrees with a map of lists (%s)", async (verification) => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
        const flash = new MemoryFlash();
        const open = () =>
          RecordStore.open(new MemoryToken({ flash, verification, partSize: 400 }), { historyLimit: LIMIT });
        let store = await open();
        await store.setPool(POOL);
        const model: Model = new Map();
        let nonce = 0;
        const context: BuildContext = {
          pool: Buffer.from(POOL.id, "hex"),
          device: "MOCK0001",
          writer: "model",
          now: () => new Date(0),
          randomBytes: (length) => {
            nonce += 1;
            return Buffer.alloc(length, `${nonce}.`);
          },
        };
        const add = (at: string, record: SecretRecord, bytes: Uint8Array) => {
          const before = record.deleted ? [] : (model.get(at) ?? []).slice(-LIMIT);
          model.set(at, [...before, { generation: record.generation, text: textOf(record), record, bytes }]);
        };
        for (const op of operations) {
          if (op.kind === "refresh") await store.refresh();
          else if (op.kind === "restart") {
            await store.close();
            store = await open();
          } else {
            const at = PATHS[op.path] ?? "a";
            const last = model.get(at)?.at(-1);
            const current: Current = last?.record;
            if (op.kind === "retry") {
              if (last === undefined) continue;
              const [result] = await store.write([
                { path: at, record: last.bytes, expect: { kind: "absent" } },
              ]);
              expect(result?.status).toBe("written");
              continue;
            }
            const old = op.kind === "rollback" ? model.get(at)?.at(-op.back) : undefined;
            if (op.kind === "rollback" && (old === undefined || last === undefined)) continue;
            const built =
              old !== undefined && last !== undefined
                ? buildRollback(last.record, old.record, context)
                : op.kind === "write"
                  ? buildRecord(
                      { path: at, current, keys: [["k", Buffer.from(op.value.padEnd(op.size))]] },
                      context,
                    )
                  : buildTombstone({ path: at, current }, context);
            const generation = last?.generation ?? 0;
            const wrong = op.kind === "write" && op.expect === "wrong";
            const expectation =
              op.kind === "write" && op.expect === "any"
                ? ({ kind: "any" } as const)
                : ({ kind: "generation", generation: wrong ? generation + 1 : generation } as const);
            const [result] = await store.write([{ path: at, record: built.bytes, expect: expectation }]);
            expect(result?.status).toBe(wrong ? "conflict" : "written");
            if (!wrong) add(at, built.record, built.bytes);
          }
          await check(store, model);
        }
        await store.close();
      }),
      { numRuns: 40 },
    );
  });
});
