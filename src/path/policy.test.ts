import { describe, expect, it } from "vitest";
import { isKey, parseKey } from "./key.ts";
import { mayUse } from "./policy.ts";

describe("the default path policy", () => {
  it.each([
    ["shop", "secrets/shop/db", true],
    ["shop", "secrets/shop/db/deep", true],
    ["shop", "secrets/shop", false],
    ["shop", "secrets/shop-b/db", false],
    ["shop-b", "secrets/shop/db", false],
    ["shop", "shared/db", false],
    ["shop", "secrets/shop/../bank/db", false],
    ["", "secrets/shop/db", false],
  ])("namespace %j may name %s: %s", (namespace, path, allowed) => {
    expect(mayUse({ namespace, path })).toBe(allowed);
  });
});

describe("a device's own policy", () => {
  const allowedPaths = [
    { namespace: "shop", prefix: "shared/tls" },
    { namespace: "bank", prefix: "secrets/bank/" },
    { namespace: "slip", prefix: "" },
  ];

  it.each([
    ["shop", "shared/tls", true],
    ["shop", "shared/tls/web", true],
    ["shop", "shared/tls-old", false],
    ["shop", "shared", false],
    ["bank", "shared/tls", false],
    ["bank", "secrets/bank/db", true],
    ["slip", "secrets/slip/db", false],
  ])("namespace %j may name %s: %s", (namespace, path, allowed) => {
    expect(mayUse({ namespace, path, allowedPaths })).toBe(allowed);
  });

  it("replaces the default policy", () => {
    expect(mayUse({ namespace: "shop", path: "secrets/shop/db", allowedPaths })).toBe(false);
    expect(mayUse({ namespace: "shop", path: "secrets/shop/db", allowedPaths: [] })).toBe(false);
  });
});

describe("isKey", () => {
  it.each(["data", "tls.crt", ".dockerconfigjson", "__proto__", "a-b_C.9", "k".repeat(253), "_metadata"])(
    "takes %s",
    (key) => {
      expect(isKey(key)).toBe(true);
      expect(parseKey(key)).toEqual({ ok: true, key });
    },
  );

  it.each(["", ".", "..", "..data", "a/b", "a b", "é", "a\0", "k".repeat(254)])("refuses %j", (key) => {
    expect(isKey(key)).toBe(false);
    expect(parseKey(key).ok).toBe(false);
  });
});
