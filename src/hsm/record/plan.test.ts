import { describe, expect, it } from "vitest";
import type { TokenObject } from "../token.ts";
import { formatApplication, PER_KEY_APPLICATION } from "./application.ts";
import { planCleanup } from "./cleanup.ts";
import { modelOf } from "./model.ts";
import { type PlannedWrite, planWrites, type TokenView } from "./plan.ts";
import { type RecordFact, resolvePath } from "./resolve.ts";

/** `path@generation` or `path@generation*parts`; one writer, so that each generation descends from those before. */
function token(
  records: readonly string[],
  options: { capacity?: number; leftovers?: number[]; foreign?: string[] } = {},
) {
  const objects: TokenObject[] = [];
  const facts = new Map<string, RecordFact>();
  for (const text of records) {
    const [path = "", rest = ""] = text.split("@");
    const [generation = 1, count = 1] = rest.split("*").map(Number);
    const digest = generation.toString(16).padStart(32, "0");
    for (let index = 1; index <= count; index += 1) {
      const application = formatApplication({ generation, index, count, digest, state: "live" });
      objects.push({ id: objects.length + 1, label: path, application, private: true });
    }
  }
  for (const label of options.foreign ?? []) {
    objects.push({ id: objects.length + 1, label, application: PER_KEY_APPLICATION, private: true });
  }
  const model = modelOf({ objects, otherObjects: 0, version: 1 });
  for (const { groups } of model.paths.values()) {
    for (const { key, generation, ids } of groups) facts.set(key, fact(generation, ids));
  }
  const view: TokenView = {
    paths: new Map(Array.from(model.paths, ([path, own]) => [path, resolvePath(own, facts, 0)])),
    facts,
    objectsUsed: model.objectsUsed,
    objectCapacity: options.capacity ?? 100,
    leftovers: options.leftovers ?? [],
  };
  return { view, model };
}

function fact(generation: number, ids: readonly number[]): RecordFact {
  const clock = new Map([["A", generation]]);
  return {
    valid: true,
    dot: ["A", generation],
    clock,
    time: `2026-01-${String(generation).padStart(2, "0")}`,
    writer: "",
    ids,
  };
}

function write(
  path: string,
  generation: number,
  parts = 1,
  change: Partial<PlannedWrite> = {},
): PlannedWrite {
  return {
    path,
    generation,
    digest: generation.toString(16).padStart(32, "0"),
    state: "live",
    pool: "",
    dot: ["A", generation],
    clock: new Map([["A", generation]]),
    parts: Array.from({ length: parts }, () => new Uint8Array(1)),
    expect: { kind: "any" },
    historyLimit: 1,
    ...change,
  };
}

const kinds = (writes: PlannedWrite[], view: TokenView) =>
  planWrites(writes, view).decisions.map((d) => (d.kind === "failed" ? d.error.class : d.kind));

describe("the write plan", () => {
  it("creates the parts in order and destroys nothing where there is room", () => {
    const plan = planWrites([write("p", 2, 3)], token(["p@1"]).view);
    expect(plan.makeRoom).toEqual([]);
    expect(plan.decisions[0]).toMatchObject({
      kind: "create",
      operations: [1, 2, 3].map((i) => ({
        label: "p",
        application: expect.stringContaining(`g=2 p=${i}/3`),
      })),
    });
  });

  it("takes one write a path in a group, the others later", () => {
    expect(kinds([write("p", 2), write("p", 3), write("q", 1)], token(["p@1"]).view)).toEqual([
      "create",
      "later",
      "create",
    ]);
  });

  it("keeps the last object for updates and deletions", () => {
    const { view } = token(["p@1", "q@1"], { capacity: 3 });
    expect(kinds([write("new", 1)], view)).toEqual(["NoSpace"]);
    expect(kinds([write("p", 2)], view)).toEqual(["create"]);
    expect(kinds([write("p", 2, 1, { state: "dead" })], view)).toEqual(["create"]);
    expect(kinds([write("p", 2), write("q", 2)], view)).toEqual(["create", "later"]);
    expect(kinds([write("p", 2, 2)], view)).toEqual(["NoSpace"]);
  });

  it("says TooLarge where no token of that size could hold it", () => {
    expect(kinds([write("p", 1, 12)], token([], { capacity: 10 }).view)).toEqual(["TooLarge"]);
  });

  it("lets history give way, the longest and oldest first, and only as much as is missing", () => {
    const { view } = token(["p@1", "p@2", "p@3", "q@4", "q@5"], { capacity: 6 });
    expect(planWrites([write("new", 1)], view)).toMatchObject({
      makeRoom: [],
      decisions: [{ kind: "create" }],
    });
    expect(planWrites([write("new", 1, 2)], view)).toMatchObject({
      makeRoom: [1],
      decisions: [{ kind: "create" }],
    });
    expect(planWrites([write("new", 1, 3)], view)).toMatchObject({
      makeRoom: [1, 2],
      decisions: [{ kind: "create" }],
    });
    expect(planWrites([write("new", 1, 4)], view)).toMatchObject({
      makeRoom: [],
      decisions: [{ kind: "failed" }],
    });
  });

  it("lets leftovers go before any history", () => {
    const { view } = token(["p@1", "p@2", "x@9"], { capacity: 3, leftovers: [3] });
    expect(planWrites([write("p", 3)], view).makeRoom).toEqual([3]);
  });

  it("never destroys a served record to make room", () => {
    const { view } = token(["p@1", "q@1", "r@1"], { capacity: 3 });
    for (const one of [write("p", 2), write("new", 1), write("p", 2, 1, { state: "dead" })]) {
      expect(planWrites([one], view)).toMatchObject({ makeRoom: [], decisions: [{ kind: "failed" }] });
    }
  });

  it("refuses a dot that was given away already", () => {
    const twice = write("p", 1, 1, { digest: "f".repeat(32) });
    expect(kinds([twice], token(["p@1"]).view)).toEqual(["conflict"]);
  });
});

describe("cleaning up after the proof", () => {
  it("destroys what exceeds the history, oldest first", () => {
    const { view, model } = token(["p@1", "p@2", "p@3", "p@4", "q@1", "q@2", "q@3"]);
    expect(planCleanup({ proven: [write("p", 4)], view, foreign: model.foreign })).toEqual([1, 2]);
    expect(
      planCleanup({ proven: [write("p", 4, 1, { historyLimit: 0 })], view, foreign: model.foreign }),
    ).toEqual([1, 2, 3]);
  });

  it("migrates the per-key objects of that path, metadata last, and leaves its neighbours", () => {
    const foreign = ["p/db/_metadata", "p/db/user", "p/db/password", "p/db-prod/user", "p/db-prod/_metadata"];
    const { view, model } = token(["p/db@1"], { foreign });
    expect(planCleanup({ proven: [write("p/db", 1)], view, foreign: model.foreign })).toEqual([4, 3, 2]);
  });

  it("leaves a per-key object that can also be read as another secret, and the metadata with it", () => {
    const foreign = ["s/shop/_metadata", "s/shop/user", "s/shop/db", "s/shop/db/_metadata"];
    const { view, model } = token(["s/shop@1"], { foreign });
    expect(model.foreign.problems).toMatchObject([{ label: "s/shop/db", reason: "AmbiguousKey" }]);
    expect(planCleanup({ proven: [write("s/shop", 1)], view, foreign: model.foreign })).toEqual([3]);
  });
});

describe("a generation far above the known one", () => {
  it("is skipped and reported, and the one below is served", () => {
    const { view } = token(["p@1", `p@${2 ** 20 + 2}`]);
    const path = view.paths.get("p");
    expect(path?.entry?.generation).toBe(1);
    expect(path?.problems).toMatchObject([{ reason: "GenerationJump" }]);
  });
});
