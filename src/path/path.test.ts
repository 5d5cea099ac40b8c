import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPath, isUnder, namespaceOf, parsePath } from "./path.ts";

describe("parsePath", () => {
  it.each(["secrets/shop/db", "a", "a.b/c-d/e_f", "...", "-x", "x".repeat(128), "secrets/Shop/DB.v2"])(
    "takes %s",
    (path) => {
      expect(parsePath(path)).toEqual({ ok: true, path });
    },
  );

  it.each([
    ["", "empty"],
    ["/a", "slash"],
    ["a/", "slash"],
    ["a//b", "slash"],
    ["a/./b", "'.'"],
    ["..", "'..'"],
    ["secrets/shop/../admin", "'..'"],
    ["_pool", "begins with '_'"],
    ["secrets/_/history", "begins with '_'"],
    ["a/_metadata", "begins with '_'"],
    ["a b", "only letters"],
    ["a\0b", "only letters"],
    ["a\nb", "only letters"],
    ["a%2Fb", "only letters"],
    ["sécrets/a", "only letters"],
    ["a\\b", "only letters"],
    ["x".repeat(129), "128 bytes"],
    ["é".repeat(65), "128 bytes"],
  ])("refuses %j and names the rule", (path, rule) => {
    const parsed = parsePath(path);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.message).toContain(rule);
  });

  it.each([undefined, null, 7, {}, ["secrets/a/b"]])("refuses what is no string: %j", (input) => {
    expect(parsePath(input).ok).toBe(false);
  });

  it("agrees with the grammar spelled out, for any string", () => {
    const byRule = (input: string) =>
      input.length >= 1 &&
      Buffer.byteLength(input) <= 128 &&
      input
        .split("/")
        .every((s) => /^[A-Za-z0-9._-]+$/.test(s) && s !== "." && s !== ".." && !s.startsWith("_"));
    const nearMiss = fc.stringMatching(/^[a._/-]{0,12}$/);
    fc.assert(
      fc.property(fc.oneof(nearMiss, fc.string({ unit: "binary" })), (input) => {
        expect(parsePath(input).ok).toBe(byRule(input));
        expect(isPath(input)).toBe(byRule(input));
      }),
    );
  });
});

describe("namespaceOf", () => {
  it.each([
    ["secrets/shop/db", "shop"],
    ["secrets/shop/db/x/y", "shop"],
    ["secrets/shop", undefined],
    ["secrets", undefined],
    ["other/shop/db", undefined],
    ["Secrets/shop/db", undefined],
    ["secrets/shop/", undefined],
    ["secrets/shop/../admin/x", undefined],
  ])("%s belongs to %s", (path, namespace) => {
    expect(namespaceOf(path)).toBe(namespace);
  });
});

describe("isUnder", () => {
  it.each([
    ["secrets/db", "secrets/db", true],
    ["secrets/db/x", "secrets/db", true],
    ["secrets/db/x", "secrets/db/", true],
    ["secrets/db-prod", "secrets/db", false],
    ["secrets/db-prod/x", "secrets/db", false],
    ["secrets", "secrets/db", false],
    ["anything/at/all", "", true],
    ["anything", "/", false],
  ])("%s under %j: %s", (path, prefix, expected) => {
    expect(isUnder(path, prefix)).toBe(expected);
  });
});
