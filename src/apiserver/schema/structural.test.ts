import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { copyJson, isJsonObject, type JsonObject, type KubeObject, sameJson } from "../object.ts";
import type { Cause } from "../status/status.ts";
import { asSchema } from "./schema.ts";
import { StructuralSchema } from "./structural.ts";

/** What a real kube-apiserver answered, line by line. */
const RECORDINGS = new URL("../../../test/conformance/kubernetes/", import.meta.url);

interface Exchange {
  readonly line: number;
  readonly story: string;
  readonly step: string;
  readonly request: { readonly method: string; readonly path: string; readonly body?: JsonObject };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string | string[]>>;
    readonly body?: JsonObject;
  };
}

function recorded(file: string): Exchange[] {
  const lines = readFileSync(new URL(file, RECORDINGS), "utf8").split("\n");
  return lines.flatMap((text, index) => (text === "" ? [] : [{ ...JSON.parse(text), line: index + 1 }]));
}

function schemas(): Map<string, { schema: StructuralSchema; status: boolean }> {
  const list = JSON.parse(readFileSync(new URL("crds.json", RECORDINGS), "utf8"));
  const found = new Map<string, { schema: StructuralSchema; status: boolean }>();
  for (const crd of list.items) {
    const version = crd.spec.versions[0];
    found.set(crd.spec.names.plural, {
      schema: new StructuralSchema(asSchema(version.schema.openAPIV3Schema)),
      status: version.subresources?.status !== undefined,
    });
  }
  return found;
}

const kinds = schemas();
const plural = (path: string) => path.split("/").find((part) => kinds.has(part)) ?? "";
const kindAt = (path: string) => {
  const kind = kinds.get(plural(path));
  if (kind === undefined) throw new Error(`no schema for ${path}`);
  return kind;
};

const ABOUT_METADATA = /^metadata|^kind$/;

function causesOf(exchange: Exchange): Cause[] {
  const details = exchange.response.body?.["details"];
  const causes = isJsonObject(details) ? details["causes"] : undefined;
  return Array.isArray(causes)
    ? causes.map(({ reason, message, field }) => ({ reason, message, field }))
    : [];
}

const creations = recorded("crd.ndjson").filter(
  (exchange) =>
    exchange.request.method === "POST" &&
    kinds.has(plural(exchange.request.path)) &&
    isJsonObject(exchange.request.body) &&
    [201, 422].includes(exchange.response.status) &&
    !causesOf(exchange).some((cause) => ABOUT_METADATA.test(cause.field ?? "")),
);

describe("custom resources, as the recorded server takes or refuses them", () => {
  it("has recordings to go by", () => {
    expect(creations.length).toBeGreaterThan(40);
  });

  it.each(creations.map((exchange) => [exchange.line, exchange.step, exchange] as const))(
    "line %i: %s",
    (_line, _step, exchange) => {
      const { schema, status } = kindAt(exchange.request.path);
      const object = copyJson(exchange.request.body) as unknown as KubeObject;
      const unknown = schema.prune(object);
      if (status) delete object["status"];
      schema.applyDefaults(object);
      const { causes } = schema.validate(object);
      const expected = causesOf(exchange);
      // Several fields at once: the real server takes them in random order.
      const sorted = (list: readonly Cause[]) => list.map((cause) => JSON.stringify(cause)).sort();
      if (exchange.step === "several at once") expect(sorted(causes)).toEqual(sorted(expected));
      else expect(causes).toEqual(expected);

      const warnings = [exchange.response.headers["Warning"] ?? []].flat();
      expect(unknown.map((path) => `299 - "unknown field \\"${path}\\""`)).toEqual(warnings);
      if (exchange.response.status === 201) {
        const stored = exchange.response.body?.["spec"];
        expect(sameJson(object["spec"], stored)).toBe(true);
      }
    },
  );

  it("keeps the transition rules and the status rules over a recorded sequence of updates", () => {
    const { schema } = kindAt("hsmsecrets");
    let stored: KubeObject | undefined;
    const checked: number[] = [];
    for (const exchange of recorded("crd.ndjson").filter((item) => item.story === "update-rules")) {
      const { method, path, body } = exchange.request;
      if (
        method === "PUT" &&
        isJsonObject(body) &&
        [200, 422].includes(exchange.response.status) &&
        stored !== undefined
      ) {
        const isStatus = path.endsWith("/status");
        const expected = causesOf(exchange);
        if (!expected.some((cause) => ABOUT_METADATA.test(cause.field ?? ""))) {
          const sent = copyJson(body) as unknown as KubeObject;
          schema.prune(sent);
          const object: KubeObject = isStatus
            ? { ...stored, status: sent["status"] }
            : { ...sent, status: stored["status"] };
          if (object["status"] === undefined) delete object["status"];
          schema.applyDefaults(object);
          const found = schema.validate(object, stored, isStatus ? "status" : undefined);
          expect(found.causes, exchange.step).toEqual(expected);
          checked.push(exchange.line);
        }
      }
      const answer = exchange.response.body;
      if (answer?.["kind"] === "HSMSecret") stored = answer as unknown as KubeObject;
    }
    expect(checked.length).toBeGreaterThan(9);
  });

  it("lets through what was wrong before a schema was tightened, and warns of broken rules", () => {
    const text = { type: "string" };
    const schema = new StructuralSchema(
      asSchema({
        type: "object",
        properties: {
          spec: {
            type: "object",
            properties: {
              a: {
                ...text,
                maxLength: 3,
                "x-kubernetes-validations": [{ rule: "self.startsWith('o')", message: "starts with o" }],
              },
              b: { ...text, enum: ["x", "y"] },
              l: {
                type: "array",
                items: {
                  type: "object",
                  required: ["n"],
                  properties: { n: text, v: { ...text, enum: ["ok"] } },
                },
                "x-kubernetes-list-map-keys": ["n"],
                "x-kubernetes-list-type": "map",
              },
            },
          },
        },
      }),
    );
    const rat = (a: string, b: string, ...values: string[]): KubeObject => ({
      apiVersion: "lab.example.com/v1",
      kind: "Rat",
      metadata: { name: "r" },
      spec: { a, b, l: values.map((v, index) => ({ n: `n${index}`, v })) },
    });
    const old = rat("longvalue", "x", "BAD", "BAD");
    expect(schema.validate(rat("longvalue", "y", "BAD", "BAD"), old)).toEqual({
      causes: [],
      warnings: ['spec.a: Invalid value: "longvalue": starts with o'],
    });
    expect(schema.validate(rat("longvalue", "x", "ok", "BAD"), old).causes).toEqual([]);
    expect(
      schema.validate(rat("otherlong", "x", "BAD", "BAD"), old).causes.map((cause) => cause.field),
    ).toEqual(["spec.a", "<nil>"]);
    expect(schema.validate(rat("longvalue", "x", "BAD", "BAD", "BAD"), old).causes[0]?.field).toBe(
      "spec.l[2].v",
    );
  });
});
