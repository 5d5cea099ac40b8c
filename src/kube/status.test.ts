import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Condition, microTimeOf, setCondition, timeOf } from "./conditions.ts";
import { equal, mergePatch } from "./status.ts";

/** RFC 7386, as its pseudo code has it. */
function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === "object" && target !== null && !Array.isArray(target);
  const result = new Map(isObject ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, applyMergePatch(result.get(name), value));
  }
  return Object.fromEntries(result);
}

/** JSON as a status holds it: no null members, since a merge patch cannot write them. */
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.array(fc.integer(), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__", "constructor"), tie("value"), {
    maxKeys: 4,
  }),
})).object;

describe("merge patch of a status", () => {
  it("makes the one into the other, and is absent exactly when they are equal", () => {
    fc.assert(
      fc.property(json, json, (from, to) => {
        const patch = mergePatch(from, to);
        expect(patch === undefined).toBe(equal(from, to));
        const result = patch === undefined ? from : applyMergePatch(from, JSON.parse(JSON.stringify(patch)));
        expect(equal(result, to)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("removes what is not wanted any more, and touches nothing else", () => {
    const from = { phase: "Error", lastError: "gone", base: { generation: 3, digest: "x" } };
    const to = { phase: "Ready", lastError: undefined, base: { generation: 4, digest: "x" } };
    expect(mergePatch(from, to)).toEqual({ phase: "Ready", lastError: null, base: { generation: 4 } });
  });
});

describe("conditions", () => {
  const at = (seconds: number) => seconds * 1000;
  const ready = { type: "Ready", status: "True", reason: "InSync", message: "In sync." } as const;

  it("keep their transition time while their status stays, whatever else changes", () => {
    let conditions: readonly Condition[] = setCondition([], ready, at(10));
    conditions = setCondition(conditions, { ...ready, message: "Still.", observedGeneration: 2 }, at(20));
    expect(conditions).toEqual([
      { ...ready, message: "Still.", observedGeneration: 2, lastTransitionTime: "1970-01-01T00:00:10Z" },
    ]);
    conditions = setCondition(conditions, { ...ready, status: "False", reason: "BothChanged" }, at(30));
    expect(conditions[0]?.lastTransitionTime).toBe("1970-01-01T00:00:30Z");
  });

  it("give back the very list when nothing differs, so that nothing is written", () => {
    const conditions = setCondition([], ready, at(10));
    expect(setCondition(conditions, { ...ready }, at(99))).toBe(conditions);
  });

  it("keep their order and the other types", () => {
    let conditions = setCondition([], ready, at(1));
    conditions = setCondition(conditions, { ...ready, type: "Synced" }, at(1));
    conditions = setCondition(conditions, { ...ready, status: "Unknown" }, at(2));
    expect(conditions.map((condition) => condition.type)).toEqual(["Ready", "Synced"]);
  });

  it("are timed as the API server wants it", () => {
    expect(timeOf(Date.UTC(2026, 10, 24, 23, 59, 1) + 999)).toBe("2026-11-24T23:59:01Z");
    expect(microTimeOf(Date.UTC(2026, 10, 24) + 10.5)).toBe("2026-11-24T00:00:00.010500Z");
    expect(microTimeOf(0.9999999)).toBe("1970-01-01T00:00:00.000999Z");
  });
});
