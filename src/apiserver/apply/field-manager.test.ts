import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isJsonObject, type JsonObject, type KubeObject, type ManagedFieldsEntry } from "../object.ts";
import { builtinSchema } from "../openapi/models.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import { applyDefaults } from "../schema/defaults.ts";
import { pruneUnknown } from "../schema/prune.ts";
import { asSchema, type Schema } from "../schema/schema.ts";
import { ApplyError } from "./errors.ts";
import { applyFields, trackUpdate, type WriteScope } from "./field-manager.ts";

/** What a real kube-apiserver answered, line by line. */
const RECORDINGS = new URL("../../../test/conformance/kubernetes/", import.meta.url);

interface Exchange {
  readonly line: number;
  readonly story: string;
  readonly step: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: JsonObject;
  };
  readonly response: { readonly status: number; readonly body?: JsonObject };
}

function recorded(file: string): Exchange[] {
  const lines = readFileSync(new URL(file, RECORDINGS), "utf8").split("\n");
  return lines.flatMap((text, index) => (text === "" ? [] : [{ ...JSON.parse(text), line: index + 1 }]));
}

const crds = JSON.parse(readFileSync(new URL("crds.json", RECORDINGS), "utf8"));
const custom = new Map<string, Schema>(
  crds.items.map(
    (crd: { spec: { names: { kind: string }; versions: [{ schema: { openAPIV3Schema: JsonObject } }] } }) => [
      crd.spec.names.kind,
      asSchema(crd.spec.versions[0].schema.openAPIV3Schema),
    ],
  ),
);

interface Write {
  readonly exchange: Exchange;
  readonly live: KubeObject | undefined;
  readonly scope: WriteScope;
  readonly force: boolean;
}

/** The writes of a recording, each with the object as the recorded server had it before. */
function writes(file: string): Write[] {
  const state = new Map<string, KubeObject>();
  const found: Write[] = [];
  for (const exchange of recorded(file)) {
    const { path, body } = exchange.request;
    const url = new URL(path, "http://localhost");
    const status = url.pathname.endsWith("/status");
    const answer = exchange.response.body;
    const sent = exchange.request.method === "POST" ? body : undefined;
    const name = isJsonObject(sent?.["metadata"]) ? `/${sent["metadata"]["name"]}` : "";
    const key = url.pathname.replace(/\/status$/, "") + name;
    const live = state.get(key);
    const kind = String(answer?.["kind"] === "Status" ? (body?.["kind"] ?? live?.kind) : answer?.["kind"]);
    const apiVersion = url.pathname.startsWith("/api/")
      ? "v1"
      : url.pathname.split("/").slice(2, 4).join("/");
    const schema = custom.get(kind) ?? builtinSchema("", "v1", kind);
    if (schema !== undefined && exchange.request.method !== "GET" && isJsonObject(body)) {
      const isCustom = custom.has(kind);
      found.push({
        exchange,
        live,
        force: url.searchParams.get("force") === "true",
        scope: {
          manager: url.searchParams.get("fieldManager") ?? "unknown",
          apiVersion,
          ...(status ? { subresource: "status" } : {}),
          now: "<time>",
          schema,
          custom: isCustom,
          resets: status ? ["spec"] : isCustom ? ["status"] : [],
        },
      });
    }
    if (answer?.["kind"] === kind && answer["kind"] !== "Status")
      state.set(key, answer as unknown as KubeObject);
  }
  return found;
}

const stories = new Set(["secret", "update-and-apply", "cr"]);
const isApply = ({ exchange }: Write) =>
  exchange.request.headers["Content-Type"] === "application/apply-patch+yaml";
const all = writes("apply.ndjson").filter(({ exchange }) => stories.has(exchange.story));

function recordedFields(exchange: Exchange): ManagedFieldsEntry[] {
  const metadata = exchange.response.body?.["metadata"];
  const fields = isJsonObject(metadata) ? metadata["managedFields"] : undefined;
  return Array.isArray(fields) ? fields : [];
}

/** A write that changes nothing keeps the times, so only whether there is one can be compared. */
const facts = (entries: readonly ManagedFieldsEntry[]) =>
  entries.map(({ time, fieldsV1, ...entry }) => ({
    ...entry,
    timed: time !== undefined,
    fields: JSON.stringify(sortedKeys(fieldsV1)),
  }));

function sortedKeys(value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sortedKeys(value[key])]),
  );
}

function completed(object: JsonObject, { scope, live }: Write): JsonObject {
  const whole = { ...object } as unknown as KubeObject;
  if (scope.custom) {
    pruneUnknown(whole, scope.schema, true);
    applyDefaults(whole, scope.schema);
    for (const part of scope.resets) {
      if (live?.[part] === undefined) delete whole[part];
      else whole[part] = live[part];
    }
  }
  return whole;
}

describe("server-side apply, as the recorded server does it", () => {
  const accepted = all.filter((write) => isApply(write) && write.exchange.response.status < 300);
  const refused = all.filter(
    (write) => isApply(write) && [409, 500].includes(write.exchange.response.status),
  );

  it("has recordings to go by", () => {
    expect(accepted.length).toBeGreaterThan(25);
    expect(refused.length).toBeGreaterThan(10);
  });

  it.each(accepted.map((write) => [write.exchange.line, write.exchange.step, write] as const))(
    "line %i: %s",
    (_line, _step, write) => {
      const applied = write.exchange.request.body ?? {};
      const result = applyFields(write.live, applied, write.scope, write.force);
      expect(facts(result.managedFields)).toEqual(facts(recordedFields(write.exchange)));
      const answer = write.exchange.response.body ?? {};
      const object = completed(result.object, write);
      if (write.scope.custom) {
        expect(object["spec"]).toEqual(answer["spec"]);
        expect(object["status"]).toEqual(answer["status"]);
      } else if (applied["stringData"] === undefined) {
        expect(object["data"]).toEqual(answer["data"]);
      }
    },
  );

  it.each(refused.map((write) => [write.exchange.line, write.exchange.step, write] as const))(
    "line %i is refused: %s",
    (_line, _step, write) => {
      const answer = write.exchange.response.body ?? {};
      let error: unknown;
      try {
        applyFields(write.live, write.exchange.request.body ?? {}, write.scope, write.force);
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(ApplyError);
      const { status, message, causes } = error as ApplyError;
      expect({ status, message }).toEqual({
        status: write.exchange.response.status,
        message: answer["message"],
      });
      const details = answer["details"];
      if (isJsonObject(details) && details["causes"] !== undefined) expect(causes).toEqual(details["causes"]);
    },
  );
});

describe("managers of creates, updates and patches", () => {
  const merges = all.filter(
    (write) =>
      write.exchange.response.status < 300 &&
      ["POST", "PUT"].includes(write.exchange.request.method) ===
        (write.exchange.request.headers["Content-Type"] === "application/json") &&
      !isApply(write),
  );

  it.each(merges.map((write) => [write.exchange.line, write.exchange.step, write] as const))(
    "line %i: %s",
    (_line, _step, write) => {
      const sent = write.exchange.request.body ?? {};
      const next =
        write.exchange.request.method === "PATCH" ? applyMergePatch(write.live ?? {}, sent) : { ...sent };
      const object = completed(next, write) as unknown as KubeObject;
      const fields = trackUpdate(write.live, object, write.scope);
      expect(facts(fields)).toEqual(facts(recordedFields(write.exchange)));
    },
  );

  it("leaves the fixed parts of a built-in kind to nobody", () => {
    const schema = builtinSchema("apps", "v1", "Deployment");
    if (schema === undefined) throw new Error("no schema of Deployment");
    const deployment: KubeObject = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "a" },
      spec: {
        selector: { matchLabels: { app: "a" } },
        strategy: { type: "Recreate" },
        template: {
          metadata: { labels: { app: "a" } },
          spec: {
            containers: [
              { name: "c", image: "i", resources: {}, ports: [{ containerPort: 80, protocol: "TCP" }] },
            ],
          },
        },
      },
    };
    const [entry] = trackUpdate(undefined, deployment, {
      manager: "m",
      apiVersion: "apps/v1",
      now: "2020-01-01T00:00:00Z",
      schema,
      custom: false,
      resets: ["status"],
    });
    expect(entry?.fieldsV1).toEqual({
      "f:spec": {
        "f:selector": {},
        "f:strategy": { "f:type": {} },
        "f:template": {
          "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
          "f:spec": {
            "f:containers": {
              'k:{"name":"c"}': {
                ".": {},
                "f:image": {},
                "f:name": {},
                "f:resources": {},
                "f:ports": {
                  ".": {},
                  'k:{"containerPort":80,"protocol":"TCP"}': {
                    ".": {},
                    "f:containerPort": {},
                    "f:protocol": {},
                  },
                },
              },
            },
          },
        },
      },
    });
  });
});
