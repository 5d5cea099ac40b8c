import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../object.ts";
import { applyMergePatch, mergePatchBetween } from "./merge-patch.ts";

const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.oneof(fc.string(), fc.integer())));
const tree: fc.Arbitrary<JsonObject> = fc.letrec<{ node: JsonObject }>((tie) => ({
  node: fc.dictionary(
    fc.constantFrom("a", "b", "c", "d", "__proto__", "constructor"),
    fc.oneof({ maxDepth: 3 }, leaf, tie("node")),
    { maxKeys: 5 },
  ),
})).node;

describe("merge patch", () => {
  it("turns any object into any other by the patch between them", () => {
    fc.assert(
      fc.property(tree, tree, (from, to) => {
        expect(JSON.parse(JSON.stringify(applyMergePatch(from, mergePatchBetween(from, to))))).toEqual(
          JSON.parse(JSON.stringify(to)),
        );
      }),
    );
  });

  it("is idempotent", () => {
    fc.assert(
      fc.property(tree, tree, (document, patch) => {
        const once = applyMergePatch(document, patch);
        expect(applyMergePatch(once, patch)).toEqual(once);
      }),
    );
  });

  it("removes by null, replaces lists, keeps the rest", () => {
    const document = { metadata: { finalizers: ["x.io/a"] }, data: { k: "v", l: "w" } };
    const patch = { metadata: { finalizers: ["x.io/b"] }, data: { k: null, n: "1", zzz: null } };
    expect(applyMergePatch(document, patch)).toEqual({
      metadata: { finalizers: ["x.io/b"] },
      data: { l: "w", n: "1" },
    });
  });

  it("drops nulls of objects that were not there", () => {
    expect(applyMergePatch({}, { a: { b: null, c: 1 } })).toEqual({ a: { c: 1 } });
  });

  it("refuses what is no object", () => {
    expect(() => applyMergePatch({}, [])).toThrow(/cannot unmarshal array/);
  });
});
