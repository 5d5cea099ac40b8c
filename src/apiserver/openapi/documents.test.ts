import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isJsonObject, type JsonObject } from "../object.ts";
import { builtinResources } from "../resources/builtin.ts";
import { builtinCodec } from "../resources/builtin-codec.ts";
import { customResources } from "../resources/custom.ts";
import { OpenApi } from "./documents.ts";

/** What a real kube-apiserver answered, line by line. */
const RECORDINGS = new URL("../../../test/conformance/kubernetes/", import.meta.url);
const read = (file: string) => readFileSync(new URL(file, RECORDINGS), "utf8");

const custom = JSON.parse(read("crds.json")).items.flatMap(customResources);
const builtin = builtinResources(builtinCodec);

function openApi(): OpenApi {
  const documents = new OpenApi("v1.36.2");
  documents.update([...builtin, ...custom]);
  return documents;
}

const parsed = (documents: OpenApi, path: string): JsonObject =>
  JSON.parse(documents.document(path)?.body ?? "null");

function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === "$ref" && typeof item === "string" ? [item] : references(item),
  );
}

describe("OpenAPI documents", () => {
  it("describe a custom resource as the recorded server does", () => {
    const recorded = JSON.parse(read("discovery.ndjson").split("\n")[54] ?? "").response.body;
    const document = parsed(openApi(), "apis/hsm.j5t.io/v1alpha1");
    expect(document["info"]).toEqual(recorded.info);
    const paths = document["paths"] as JsonObject;
    for (const path of Object.keys(recorded.paths)) expect(paths[path], path).toEqual(recorded.paths[path]);
    const schemas = (document["components"] as { schemas: JsonObject }).schemas;
    for (const name of Object.keys(recorded.components.schemas)) {
      if (name.startsWith("io.j5t.")) expect(schemas[name], name).toEqual(recorded.components.schemas[name]);
    }
  });

  it("refer only to schemas that they hold", () => {
    const documents = openApi();
    for (const path of [
      "api/v1",
      "apis/apps/v1",
      "apis/apiextensions.k8s.io/v1",
      "apis/hsm.j5t.io/v1alpha1",
    ]) {
      const document = parsed(documents, path);
      const schemas = (document["components"] as { schemas: JsonObject }).schemas;
      const names = [...new Set(references(document))].map((reference) => reference.split("/").at(-1) ?? "");
      expect(
        names.filter((name) => !Object.hasOwn(schemas, name)),
        path,
      ).toEqual([]);
    }
  });

  it("are listed with hashes that change with their content alone", () => {
    const documents = openApi();
    const before = documents.index()["paths"] as JsonObject;
    expect(Object.keys(before)).toContain("apis/hsm.j5t.io/v1alpha1");
    documents.update(builtin);
    const after = documents.index()["paths"] as JsonObject;
    expect(after["apis/hsm.j5t.io/v1alpha1"]).toBeUndefined();
    expect(after["api/v1"]).toEqual(before["api/v1"]);
    expect(documents.document("apis/nope.example.com/v1")).toBeUndefined();
  });

  it("name list keys, merge keys and defaults of built-in kinds", () => {
    const schemas = (parsed(openApi(), "api/v1")["components"] as { schemas: JsonObject }).schemas;
    const podSpec = schemas["io.k8s.api.core.v1.PodSpec"] as { properties: JsonObject };
    expect(podSpec.properties["containers"]).toMatchObject({
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
      "x-kubernetes-patch-merge-key": "name",
    });
  });

  it("come in Swagger 2 too", () => {
    const recorded = JSON.parse(read("discovery.ndjson").split("\n")[59] ?? "").response.body;
    const { definitions } = JSON.parse(openApi().swagger().body);
    const name = "io.j5t.hsm.v1alpha1.HSMPool";
    const { metadata: _ours, ...properties } = definitions[name].properties;
    const { metadata: _theirs, ...theirs } = recorded.definitions[name].properties;
    expect(properties).toEqual(theirs);
  });
});

describe("models of the built-in kinds", () => {
  it("are what the generator makes of the installed package", () => {
    const script = fileURLToPath(new URL("../../../scripts/generate-kube-models.mjs", import.meta.url));
    expect(() => execFileSync(process.execPath, [script, "--check"], { timeout: 20_000 })).not.toThrow();
  });
});
