import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalQuantity, parseQuantity } from "./quantity.ts";

describe("quantities", () => {
  it.each([
    ["1000m", "1"],
    ["0.1", "100m"],
    ["1024Ki", "1Mi"],
    ["64Mi", "64Mi"],
    ["1.5Gi", "1536Mi"],
    ["1e3", "1e3"],
    ["1500", "1500"],
    ["0", "0"],
    ["-2000m", "-2"],
    ["100k", "100k"],
  ])("%s is written as %s", (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical);
  });

  it.each(["", "1.2.3", "x", "1 Gi", "1gi", "--1", "Mi"])("%j is none", (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  });

  it("mean the same after they are written back", () => {
    const suffix = fc.constantFrom("", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e2", "E3");
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), suffix, (amount, unit) => {
        const text = `${amount}${unit}`;
        expect(parseQuantity(canonicalQuantity(text) ?? "")).toBe(parseQuantity(text));
      }),
    );
  });
});
