import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { child, isJsonObject, type JsonObject, type ManagedFieldsEntry } from "../object.ts";
import { builtinCodec } from "../resources/builtin-codec.ts";
import { trackUpdate } from "./field-manager.ts";

/** What a real kube-apiserver answered, line by line. */
const RECORDINGS = new URL("../../../test/conformance/kubernetes/", import.meta.url);

interface Exchange {
  readonly line: number;
  readonly step: string;
  readonly request: { readonly method: string; readonly path: string; readonly body?: JsonObject };
  readonly response: { readonly status: number; readonly body?: JsonObject };
}

const KINDS = new Set(["ConfigMap", "Pod", "Service", "Deployment", "Lease", "Event", "Secret"]);
const creations: Exchange[] = readFileSync(new URL("crud.ndjson", RECORDINGS), "utf8")
  .split("\n")
  .flatMap((text, index) => (text === "" ? [] : [{ ...JSON.parse(text), line: index + 1 }]))
  .filter(
    ({ request, response }: Exchange) =>
      request.method === "POST" &&
      response.status === 201 &&
      KINDS.has(String(response.body?.["kind"])) &&
      isJsonObject(request.body) &&
      request.body["$generated"] === undefined &&
      request.body["stringData"] === undefined &&
      Array.isArray(child(response.body, "metadata")["managedFields"]),
  );

/** Fields that admission adds, or that the server gives out. */
const ADDED =
  /serviceAccount|tolerations|priority|preemptionPolicy|nodeName|automount|clusterIP|nodePort|ipFamil|allocate/;

describe("creations of built-in kinds, as the recorded server takes them", () => {
  it("has recordings to go by", () => {
    expect(creations.length).toBeGreaterThan(25);
  });

  it.each(creations.map((exchange) => [exchange.line, exchange.step, exchange] as const))(
    "line %i: %s",
    (_line, _step, { response, request }) => {
      const answer = response.body ?? {};
      const apiVersion = String(answer["apiVersion"]);
      const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
      const codec = builtinCodec(group ?? "", version ?? "", String(answer["kind"]));
      const { object } = codec.decode(request.body ?? {});
      for (const key of ["deletionTimestamp", "deletionGracePeriodSeconds"] as const)
        delete object.metadata[key];
      codec.applyDefaults(object);
      const url = new URL(request.path, "http://localhost");
      const manager = url.searchParams.get("fieldManager") ?? "unknown";
      const [entry] = trackUpdate(undefined, object, {
        manager,
        apiVersion,
        now: "<time>",
        schema: codec.schema ?? {},
        custom: false,
        resets: ["status"],
      });
      const [recorded] = (answer["metadata"] as { managedFields: ManagedFieldsEntry[] }).managedFields;
      expect(entry?.fieldsV1).toEqual(recorded?.fieldsV1);
      if (isJsonObject(answer["spec"])) expect(given(object["spec"])).toEqual(given(answer["spec"]));
    },
  );
});

/** A spec without what only a running server adds. */
function given(value: unknown): unknown {
  if (Array.isArray(value))
    return value
      .filter((item) => !/^kube-api-access/.test(String((item as JsonObject)?.["name"])))
      .map(given);
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value)
    .filter(([key, item]) => !ADDED.test(key) && !isTokenMount(key, item))
    .map(([key, item]) => [key, given(item)] as const)
    .filter(([, item]) => !(Array.isArray(item) && item.length === 0));
  return Object.fromEntries(entries);
}

function isTokenMount(key: string, value: unknown): boolean {
  return key === "volumeMounts" && JSON.stringify(value).includes("kube-api-access");
}
