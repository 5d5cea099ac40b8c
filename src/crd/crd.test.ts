import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPath } from "../path/path.ts";
import { customResourceDefinitions } from "./definitions.ts";
import { PATH_PATTERN } from "./fields.ts";
import { generatedFiles } from "./generate.ts";

type Node = { readonly [keyword: string]: unknown };

function schemaOf(kind: string): Node {
  const definition = customResourceDefinitions().find(
    (item) => (item["spec"] as { names: { kind: string } }).names.kind === kind,
  );
  const spec = definition?.["spec"] as { versions: { schema: { openAPIV3Schema: Node } }[] };
  return spec.versions[0]?.schema.openAPIV3Schema ?? {};
}

/** Every node of a schema with its dotted place. */
function* nodes(schema: Node, place = ""): Generator<[string, Node]> {
  yield [place, schema];
  for (const [name, child] of Object.entries((schema["properties"] ?? {}) as Record<string, Node>)) {
    yield* nodes(child, `${place}.${name}`);
  }
  if (schema["items"] !== undefined) yield* nodes(schema["items"] as Node, `${place}[]`);
}

const KINDS = ["HSMSecret", "HSMDevice", "HSMPool"];

describe("generated files", () => {
  it.each(generatedFiles().map((file) => [file.name, file.content]))(
    "%s is what the schemas say",
    (name, content) => {
      expect(readFileSync(new URL(`../../${name}`, import.meta.url), "utf8")).toBe(content);
    },
  );
});

describe.each(KINDS)("the schema of %s", (kind) => {
  const all = [...nodes(schemaOf(kind))].filter(
    ([place]) => place.startsWith(".spec") || place.startsWith(".status"),
  );

  it("describes every field for kubectl explain", () => {
    const bare = all
      .filter(([place, node]) => !place.endsWith("[]") && !node["description"])
      .map(([place]) => place);
    expect(bare).toEqual([]);
  });

  it("is structural: a type everywhere but where unknown fields are kept, no forbidden keyword", () => {
    for (const [place, node] of all) {
      const typed = node["type"] !== undefined || node["x-kubernetes-preserve-unknown-fields"] === true;
      expect(typed, `${place} has a type`).toBe(true);
      for (const keyword of ["$ref", "anyOf", "const", "patternProperties", "uniqueItems", "definitions"]) {
        expect(node, place).not.toHaveProperty(keyword);
      }
      expect(node["properties"] !== undefined && node["additionalProperties"] !== undefined, place).toBe(
        false,
      );
    }
  });

  it("bounds what its CEL rules look at, so that their cost is accepted", () => {
    for (const [place, node] of all) {
      if (node["type"] === "array") expect(node["maxItems"], `${place} maxItems`).toBeTypeOf("number");
      const rules = (node["x-kubernetes-validations"] ?? []) as { rule: string }[];
      for (const { rule } of rules) {
        for (const [, field] of rule.matchAll(/self\.(\w+) == oldSelf/g)) {
          const seen = (node["properties"] as Record<string, Node>)[field ?? ""];
          expect(seen?.["maxLength"], `${place}.${field} maxLength`).toBeTypeOf("number");
        }
      }
    }
  });

  it("requires the keys of its lists", () => {
    for (const [place, node] of all) {
      for (const key of (node["x-kubernetes-list-map-keys"] ?? []) as string[]) {
        expect((node["items"] as Node)["required"], place).toContain(key);
      }
    }
  });
});

describe("the path pattern", () => {
  it("agrees with the path grammar and needs no lookahead", () => {
    expect(PATH_PATTERN.source).not.toContain("(?");
    const candidate = fc.oneof(fc.stringMatching(/^[a._/-]{1,12}$/), fc.string({ maxLength: 40 }));
    fc.assert(
      fc.property(candidate, (input) => {
        expect(input.length <= 128 && PATH_PATTERN.test(input)).toBe(isPath(input));
      }),
    );
  });
});
