import { describe, expect, it } from "vitest";
import { PatchError } from "./errors.ts";
import { applyJsonPatch } from "./json-patch.ts";

const configMap = {
  metadata: { annotations: { "ex.io/y": "1" }, finalizers: ["x.io/f", "x.io/g"] },
  data: { k: "v" },
};

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PatchError) return `${error.status} ${error.code}`;
    throw error;
  }
  return "applied";
}

describe("JSON patch on an object, as kube-apiserver applies it", () => {
  it.each([
    ["add", [{ op: "add", path: "/data/n", value: "new" }], { k: "v", n: "new" }],
    [
      "replace of a missing key adds it",
      [{ op: "replace", path: "/data/none", value: "x" }],
      { k: "v", none: "x" },
    ],
    [
      "copy from a missing key writes null",
      [{ op: "copy", from: "/data/none", path: "/data/k9" }],
      { k: "v", k9: null },
    ],
    [
      "copy and move",
      [
        { op: "copy", from: "/data/k", path: "/data/k2" },
        { op: "move", from: "/data/k2", path: "/data/k3" },
      ],
      { k: "v", k3: "v" },
    ],
    ["test holds", [{ op: "test", path: "/data/k", value: "v" }], { k: "v" }],
    ["empty list changes nothing", [], { k: "v" }],
    ["a key called __proto__", [{ op: "add", path: "/data/~0~0", value: "1" }], { k: "v", "~~": "1" }],
  ])("%s", (_name, patch, data) => {
    expect(applyJsonPatch(configMap, patch)["data"]).toEqual(data);
  });

  it.each([
    ["remove of a missing key", [{ op: "remove", path: "/data/none" }], "422 Inapplicable"],
    [
      "replace below a missing parent",
      [{ op: "replace", path: "/binaryData/a", value: "eA==" }],
      "422 Inapplicable",
    ],
    ["add below a missing parent", [{ op: "add", path: "/binaryData/a", value: "eA==" }], "422 Inapplicable"],
    ["test fails", [{ op: "test", path: "/data/k", value: "other" }], "422 Inapplicable"],
    ["test of a missing path", [{ op: "test", path: "/data/none", value: "x" }], "422 Inapplicable"],
    ["unknown operation", [{ op: "frob", path: "/data/k" }], "422 Inapplicable"],
    ["path without slash", [{ op: "add", path: "data", value: "x" }], "422 Inapplicable"],
    ["index out of range", [{ op: "remove", path: "/metadata/finalizers/7" }], "422 Inapplicable"],
    ["not a list", { op: "add" }, "400 BadPatch"],
    [
      "more than 10000 operations",
      Array.from({ length: 10_001 }, () => ({ op: "add", path: "/data/n", value: "x" })),
      "413 TooManyOperations",
    ],
  ])("refuses: %s", (_name, patch, code) => {
    expect(codeOf(() => applyJsonPatch(configMap, patch))).toBe(code);
  });

  it("appends to and removes from lists", () => {
    const patched = applyJsonPatch(configMap, [
      { op: "add", path: "/metadata/finalizers/-", value: "x.io/h" },
      { op: "test", path: "/metadata/finalizers/0", value: "x.io/f" },
      { op: "remove", path: "/metadata/finalizers/0" },
      { op: "replace", path: "/metadata/annotations/ex.io~1y", value: "11" },
    ]);
    expect(patched["metadata"]).toEqual({
      annotations: { "ex.io/y": "11" },
      finalizers: ["x.io/g", "x.io/h"],
    });
  });

  it("leaves the object that it is given alone", () => {
    const before = JSON.stringify(configMap);
    applyJsonPatch(configMap, [{ op: "remove", path: "/data/k" }]);
    expect(JSON.stringify(configMap)).toBe(before);
  });
});
