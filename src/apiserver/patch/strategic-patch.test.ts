import { describe, expect, it } from "vitest";
import type { JsonObject } from "../object.ts";
import type { Schema } from "../schema/schema.ts";
import { PatchError } from "./errors.ts";
import { applyStrategicPatch } from "./strategic-patch.ts";

const text: Schema = { type: "string" };
const byName = (properties: Record<string, Schema>): Schema => ({
  type: "array",
  items: { type: "object", properties },
  "x-kubernetes-patch-strategy": "merge",
  "x-kubernetes-patch-merge-key": "name",
});
const schema: Schema = {
  type: "object",
  properties: {
    finalizers: { type: "array", items: text, "x-kubernetes-patch-strategy": "merge" },
    labels: { type: "object", additionalProperties: text },
    containers: byName({ name: text, image: text, env: byName({ name: text, value: text }) }),
    volumes: {
      ...byName({ name: text, emptyDir: { type: "object" }, configMap: { type: "object" } }),
      "x-kubernetes-patch-strategy": "merge,retainKeys",
    },
    tolerations: { type: "array", items: { type: "object" } },
    strategy: { type: "object", "x-kubernetes-patch-strategy": "retainKeys" },
  },
};
const c = { name: "c", image: "nginx:1", env: [{ name: "A", value: "1" }] };
const side = { name: "side", image: "side:1" };
const document: JsonObject = {
  containers: [c, side],
  finalizers: ["x.io/b"],
  labels: { app: "a", z: "1" },
  volumes: [{ name: "v", emptyDir: {} }, { name: "w" }],
  tolerations: [{ key: "a" }],
  strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } },
};

describe("strategic merge patch", () => {
  it.each<[string, JsonObject, JsonObject]>([
    [
      "items merge by name",
      { containers: [{ name: "side", image: "side:2" }] },
      { containers: [c, { ...side, image: "side:2" }] },
    ],
    [
      "a new item comes first",
      { containers: [{ name: "t", image: "t:1" }] },
      { containers: [{ name: "t", image: "t:1" }, c, side] },
    ],
    [
      "$setElementOrder",
      {
        "$setElementOrder/containers": [{ name: "side" }, { name: "t" }, { name: "c" }],
        containers: [{ name: "t", image: "t:1" }],
      },
      { containers: [side, { name: "t", image: "t:1" }, c] },
    ],
    ["$patch: delete of an item", { containers: [{ name: "c", $patch: "delete" }] }, { containers: [side] }],
    [
      "a nested list merges too",
      { containers: [{ name: "c", env: [{ name: "B", value: "2" }] }] },
      {
        containers: [
          {
            ...c,
            env: [
              { name: "B", value: "2" },
              { name: "A", value: "1" },
            ],
          },
          side,
        ],
      },
    ],
    [
      "$retainKeys in an item",
      { volumes: [{ name: "v", $retainKeys: ["name", "configMap"], configMap: { name: "m" } }] },
      { volumes: [{ name: "v", configMap: { name: "m" } }, { name: "w" }] },
    ],
    ["atomic lists are replaced", { tolerations: [{ key: "b" }] }, { tolerations: [{ key: "b" }] }],
    [
      "$patch: replace in a list",
      { containers: [{ $patch: "replace" }, { name: "c", image: "nginx:9" }] },
      { containers: [{ name: "c", image: "nginx:9" }] },
    ],
    ["$patch: replace in a map", { labels: { $patch: "replace", q: "1" } }, { labels: { q: "1" } }],
    ["null removes a key", { labels: { z: null } }, { labels: { app: "a" } }],
    [
      "$retainKeys in a map",
      { strategy: { $retainKeys: ["type"], type: "Recreate" } },
      { strategy: { type: "Recreate" } },
    ],
    [
      "sets of strings merge, new ones first",
      { finalizers: ["x.io/c"] },
      { finalizers: ["x.io/c", "x.io/b"] },
    ],
    ["$deleteFromPrimitiveList", { "$deleteFromPrimitiveList/finalizers": ["x.io/b"] }, { finalizers: [] }],
    ["null removes a list", { finalizers: null }, { finalizers: undefined }],
  ])("%s", (_name, patch, changed) => {
    expect(applyStrategicPatch(document, patch, schema)).toEqual({ ...document, ...changed });
  });

  it.each<[string, JsonObject, string]>([
    [
      "item without its key",
      { containers: [{ image: "x" }] },
      "map: map[image:x] does not contain declared merge key: name",
    ],
    [
      "unknown directive",
      { containers: [{ name: "c", $patch: "frob" }] },
      "unknown patch type: frob in map: map[$patch:frob name:c]",
    ],
  ])("refuses: %s", (_name, patch, message) => {
    expect(() => applyStrategicPatch(document, patch, schema)).toThrow(new PatchError("Internal", message));
  });
});
