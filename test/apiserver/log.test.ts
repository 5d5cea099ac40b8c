/** The log behind the store: whatever byte a kill cuts it at, what was written whole before is there. */

import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LogDamaged } from "../../src/apiserver/storage/log.ts";
import { Store } from "../../src/apiserver/storage/store.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "apiserver-log-"));
  path = join(folder, "objects.log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Step {
  readonly key: string;
  /** Absent: the step deletes. */
  readonly text?: string | undefined;
}

const step = fc.record({
  key: fc.constantFrom("a/1", "a/2", "b/1", "b/2", "c/1"),
  text: fc.option(fc.string({ maxLength: 40, unit: "grapheme" }), { nil: undefined }),
});

function play(store: Store, { key, text }: Step): void {
  if (text === undefined) store.delete("configmaps", key);
  else {
    store.put("configmaps", key, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: key },
      data: { text },
    });
  }
}

function dump(store: Store): string[] {
  return [...store.shelf("configmaps").range("")].map(({ key, json }) => `${key} ${json}`);
}

describe("the log", () => {
  test("a cut at any byte leaves a state that was acknowledged before it, whole", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(), (steps, cut) => {
        rmSync(path, { force: true });
        const store = new Store({ path });
        // The states by the size that the log had when they were acknowledged.
        const states: { size: number; revision: number; dump: string[] }[] = [];
        const note = () =>
          states.push({ size: statSync(path).size, revision: store.revision, dump: dump(store) });
        note();
        for (const one of steps) {
          play(store, one);
          note();
        }
        store.close();
        const size = cut % (statSync(path).size + 1);
        truncateSync(path, size);
        const expected = states.filter((state) => state.size <= size).at(-1);
        const recovered = new Store({ path });
        expect(dump(recovered)).toEqual(expected?.dump);
        expect(recovered.revision).toBe(expected?.revision);
        // And it goes on: the next write is recovered too.
        play(recovered, { key: "z/9", text: "after" });
        const after = dump(recovered);
        recovered.close();
        const again = new Store({ path });
        expect(dump(again)).toEqual(after);
        again.close();
      }),
      { numRuns: 150 },
    );
  });

  test("garbage in the last record is a torn write and is cut off", () => {
    const store = new Store({ path });
    play(store, { key: "a/1", text: "kept" });
    const before = statSync(path).size;
    play(store, { key: "a/2", text: "torn" });
    store.close();
    const bytes = readFileSync(path);
    bytes.fill(0, before + 4);
    writeFileSync(path, bytes);
    const recovered = new Store({ path });
    expect(dump(recovered)).toHaveLength(1);
    recovered.close();
  });

  test("damage before whole records is reported and nothing is changed", () => {
    const store = new Store({ path });
    for (const key of ["a/1", "a/2", "b/1"]) play(store, { key, text: "x" });
    store.close();
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(20) ^ 0xff, 20);
    writeFileSync(path, bytes);
    expect(() => new Store({ path })).toThrow(LogDamaged);
    expect(readFileSync(path)).toEqual(bytes);
  });

  test("compaction keeps the objects and the revision and shrinks the file", () => {
    const store = new Store({ path });
    for (let round = 0; round < 200; round += 1) play(store, { key: "a/1", text: `round ${round}` });
    play(store, { key: "gone/1", text: "x" });
    play(store, { key: "gone/1" });
    const { revision } = store;
    const size = statSync(path).size;
    const objects = dump(store);
    store.compact();
    expect(statSync(path).size).toBeLessThan(size / 50);
    play(store, { key: "b/1", text: "after" });
    store.close();
    const recovered = new Store({ path });
    expect(recovered.revision).toBe(revision + 1);
    expect(dump(recovered)).toEqual(expect.arrayContaining(objects));
    recovered.close();
  });

  test("a log that grew far beyond its objects is rewritten by itself", () => {
    const store = new Store({ path, compactBytes: 4_096 });
    for (let round = 0; round < 500; round += 1) play(store, { key: "a/1", text: `round ${round}` });
    expect(statSync(path).size).toBeLessThan(8_192);
    store.close();
  });
});
