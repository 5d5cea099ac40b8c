import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { child, copyJson, isJsonObject, type JsonObject, type KubeObject } from "../../object.ts";
import type { Cause } from "../../status/status.ts";
import { crdCauses } from "./document.ts";

/** What a real kube-apiserver answered, line by line. */
const RECORDINGS = new URL("../../../../test/conformance/kubernetes/", import.meta.url);

interface Exchange {
  readonly line: number;
  readonly step: string;
  readonly request: { readonly method: string; readonly path: string; readonly body?: JsonObject };
  readonly response: { readonly status: number; readonly body?: JsonObject };
}

const exchanges: Exchange[] = readFileSync(new URL("crd.ndjson", RECORDINGS), "utf8")
  .split("\n")
  .flatMap((text, index) => (text === "" ? [] : [{ ...JSON.parse(text), line: index + 1 }]))
  .filter(
    ({ request, response }: Exchange) =>
      request.path.startsWith("/apis/apiextensions.k8s.io/v1/customresourcedefinitions") &&
      ["POST", "PUT"].includes(request.method) &&
      [200, 201, 422].includes(response.status),
  );

/** As the server completes a definition before it looks at it. */
function completed(body: JsonObject): KubeObject {
  const crd = copyJson(body) as unknown as KubeObject;
  const names = child(child(crd, "spec"), "names");
  const kind = String(names["kind"]);
  names["singular"] ??= kind.toLowerCase();
  names["listKind"] ??= `${kind}List`;
  const versions = child(crd, "spec")["versions"] as JsonObject[];
  const stored = versions.filter((version) => version["storage"] === true).map((version) => version["name"]);
  crd["status"] ??= { storedVersions: stored };
  return crd;
}

const causesOf = ({ response }: Exchange): Cause[] => {
  const details = response.body?.["details"];
  return isJsonObject(details) && Array.isArray(details["causes"]) ? (details["causes"] as Cause[]) : [];
};

describe("CustomResourceDefinitions, as the recorded server takes or refuses them", () => {
  it("has recordings to go by", () => {
    expect(exchanges.length).toBeGreaterThan(25);
  });

  const old = exchanges.find(({ response }) => JSON.stringify(response.body).includes('"Established"'));
  it.each(exchanges.map((exchange) => [exchange.line, exchange.step, exchange] as const))(
    "line %i: %s",
    (_line, _step, exchange) => {
      const crd = completed(exchange.request.body ?? {});
      const stored =
        exchange.request.method === "PUT" && exchange.line < 100
          ? (old?.response.body as unknown as KubeObject)
          : undefined;
      expect(crdCauses(crd, stored)).toEqual(causesOf(exchange));
    },
  );

  it("accepts the definitions that the recordings began with", () => {
    const list = JSON.parse(readFileSync(new URL("crds.json", RECORDINGS), "utf8"));
    for (const crd of list.items) expect(crdCauses(completed(crd)), crd.metadata.name).toEqual([]);
  });
});
