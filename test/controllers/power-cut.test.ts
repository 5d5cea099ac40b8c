// The reconciler loses power before and after every call that changes something, in every row of the table, and ends
// where it would have ended without; and random histories with random cuts lose nothing, tear nothing, and come to rest.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keysOf, Model, PowerCut, secretDataOf } from "./model.ts";

type Change = (model: Model) => void;

const token =
  (value: string): Change =>
  (model) =>
    model.writeRecord(keysOf(value));
const tombstone: Change = (model) => model.writeRecord(null);
const vanished: Change = (model) => {
  model.records = [];
};
const setBack: Change = (model) => {
  model.records = [];
  model.writeRecord(keysOf("stranger"), undefined, false);
};
const secret =
  (value: string): Change =>
  (model) =>
    model.put("Secret", (old) => ({ ...old, data: secretDataOf(value) }));
const noSecret: Change = (model) => {
  model.objects.delete("Secret shop/db");
};
const spec =
  (fields: object): Change =>
  (model) =>
    model.put("HSMSecret", (old) => ({
      ...old,
      spec: { ...(old["spec"] as object), ...fields },
      metadata: {
        ...(old["metadata"] as object),
        generation: ((old["metadata"] as { generation: number }).generation ?? 1) + 1,
      },
    }));
const annotate =
  (name: string, value: string): Change =>
  (model) =>
    model.put("HSMSecret", (old) => {
      const metadata = old["metadata"] as { annotations?: object };
      return {
        ...old,
        metadata: { ...metadata, annotations: { ...metadata.annotations, [`hsm.j5t.io/${name}`]: value } },
      };
    });
const remove: Change = (model) => model.deleteHsmSecret();
/** Deleted and made anew under the same name: another UID, no status. */
const replaced: Change = (model) => {
  const old = model.hsmSecret();
  model.objects.delete("HSMSecret shop/db");
  model.put("HSMSecret", (blank) => ({ ...blank, spec: old?.spec }));
};

const DIRECTIONS = ["Bidirectional", "HSMToSecret", "SecretToHSM"] as const;

/** Both sides hold `base`, seen equal. */
async function synced(direction: (typeof DIRECTIONS)[number]): Promise<Model> {
  const model = new Model();
  model.put("HSMSecret", (blank) => ({ ...blank, spec: { direction, adopt: direction === "SecretToHSM" } }));
  if (direction === "SecretToHSM") secret("base")(model);
  else token("base")(model);
  await model.settle();
  expect(model.inWords()).toMatch(/^InSync InSync \| token base\+base \| base\+base/);
  return model;
}

const scenarios: readonly (readonly [string, readonly Change[]])[] = [
  ["the token advanced", [token("new")]],
  ["the Secret changed", [secret("edit")]],
  ["both changed", [token("new"), secret("edit")]],
  ["both changed, the token wins", [spec({ conflictPolicy: "PreferHSM" }), token("new"), secret("edit")]],
  ["both changed, the Secret wins", [spec({ conflictPolicy: "PreferSecret" }), token("new"), secret("edit")]],
  ["both changed, a person takes the token", [token("new"), secret("edit"), annotate("resolve", "hsm")]],
  ["both changed, a person takes the Secret", [token("new"), secret("edit"), annotate("resolve", "secret")]],
  ["both changed to the same", [token("new"), secret("new")]],
  ["the Secret was deleted", [noSecret]],
  ["a deletion on the token", [tombstone]],
  ["a deletion on the token, the Secret changed", [tombstone, secret("edit")]],
  ["the token lost the data", [vanished]],
  ["the token was replaced", [setBack]],
  ["the token was replaced, a person takes it", [setBack, annotate("resolve", "hsm")]],
  ["rolled back", [annotate("rollback-to", "1"), token("new"), annotate("sync-now", "1")]],
  ["the HSMSecret was replaced", [replaced]],
  ["the HSMSecret was replaced, the token advanced", [token("new"), replaced]],
  ["deleted, Retain", [remove]],
  ["deleted, Retain, while the Secret has an edit", [secret("edit"), remove]],
  ["deleted, Delete", [spec({ deletionPolicy: "Delete" }), remove]],
  ["deleted, the Secret is retained", [spec({ secretDeletionPolicy: "Retain" }), remove]],
  ["deleted, the token lost the data", [vanished, remove]],
  ["the direction turned", [spec({ direction: "SecretToHSM", adopt: true }), secret("edit")]],
  ["the direction turned the other way", [spec({ direction: "HSMToSecret" }), token("new")]],
];

async function play(direction: (typeof DIRECTIONS)[number], changes: readonly Change[]): Promise<Model> {
  const model = await synced(direction);
  for (const change of changes) change(model);
  return model;
}

/** Secrets are whole at every moment, and no value that was anywhere is nowhere, but for deletions that were asked for. */
function nothingTorn(model: Model): void {
  for (const data of model.seenData) {
    const values = Object.values(JSON.parse(data) as Record<string, string>);
    expect(new Set(values).size, `torn: ${data}`).toBeLessThanOrEqual(1);
  }
}

describe.each(DIRECTIONS)("%s, cut at every call", (direction) => {
  it.each(scenarios)("%s", async (_name, changes) => {
    const whole = await play(direction, changes);
    const before = whole.line.calls;
    await whole.settle();
    const calls = whole.line.calls - before;
    const expected = whole.inWords();
    for (let at = 1; at <= calls; at += 1) {
      for (const after of [false, true]) {
        const model = await play(direction, changes);
        const held = model.copies();
        model.line.cutAt(at, after);
        await expect(model.settle()).rejects.toThrow(PowerCut);
        model.line.mend();
        await model.settle();
        expect(model.inWords(), `cut ${after ? "after" : "before"} call ${at} of ${calls}`).toBe(expected);
        nothingTorn(model);
        const deletes = /token deleted/.test(expected);
        if (!deletes) for (const value of held) expectKept(model, whole, value);
      }
    }
  });
});

/** A value may go only where it goes without a cut too. */
function expectKept(model: Model, whole: Model, value: string): void {
  if (whole.copies().has(value)) expect([...model.copies()]).toContain(value);
}

describe("without cuts", () => {
  it.each([
    ["both changed, the token wins", "InSync InSync | token new+new | new+new", ["edit+edit"]],
    ["both changed, the Secret wins", "InSync InSync | token edit+edit | edit+edit", ["new+new"]],
    ["both changed, a person takes the token", "InSync InSync | token new+new | new+new", ["edit+edit"]],
    ["both changed", "OutOfSync BothChanged | token new+new | edit+edit", []],
    ["the token lost the data", "OutOfSync HSMDataMissing | token nothing | base+base", []],
    ["deleted, Retain, while the Secret has an edit", "gone | token base+base | edit+edit", []],
    ["deleted, the token lost the data", "gone | token nothing | base+base", []],
    ["deleted, Delete", "gone | token deleted | no Secret", []],
    ["the token was replaced", "OutOfSync TokenReplaced | token stranger+stranger | base+base", []],
  ])("%s: %s", async (name, expected, alsoKept) => {
    const changes = scenarios.find(([title]) => title === name)?.[1] ?? [];
    const model = await play("Bidirectional", changes);
    await model.settle();
    expect(model.inWords()).toContain(expected);
    for (const value of alsoKept) expect([...model.copies()]).toContain(value);
  });
});

describe("random histories with random cuts", () => {
  const step = fc.oneof(
    fc.constantFrom("t1", "t2", "t3").map((value): Change => token(value)),
    fc.constantFrom("s1", "s2", "s3").map(
      (value): Change =>
        (model) => {
          if (model.secret() !== undefined) secret(value)(model);
        },
    ),
    fc.constantFrom("hsm", "secret").map((value): Change => annotate("resolve", value)),
    fc
      .constantFrom("Report", "PreferHSM", "PreferSecret")
      .map((conflictPolicy): Change => spec({ conflictPolicy })),
    fc.constant(noSecret),
    fc.constant(replaced),
  );

  it("lose no value that the token or the Secret held when it was last looked at", async () => {
    const action = fc.record({
      change: step,
      cut: fc.option(fc.record({ at: fc.integer({ min: 1, max: 6 }), after: fc.boolean() })),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("Bidirectional" as const, "HSMToSecret" as const),
        fc.array(action, { maxLength: 8 }),
        async (direction, actions) => {
          const model = await synced(direction);
          for (const { change, cut } of actions) {
            change(model);
            if (cut !== null) {
              model.line.cutAt(cut.at, cut.after);
              await model.settle().catch((error: unknown) => {
                if (!(error instanceof PowerCut)) throw error;
              });
              model.line.mend();
            }
            expect(model.copies().size, "a copy somewhere").toBeGreaterThan(0);
          }
          await model.settle();
          nothingTorn(model);
          const status = model.hsmSecret()?.status;
          const last = model.records.at(-1);
          // In agreement means that it is so, by what both sides hold.
          if (status?.syncStatus === "InSync" && last !== undefined) {
            const value = Buffer.from(last.keys[0]?.[1] ?? "").toString();
            expect(model.secret()?.data).toEqual(secretDataOf(value));
            expect(status.base?.generation).toBe(last.generation);
          }
          // And what has come to rest stays at rest.
          expect(await model.settle()).toBe(1);
        },
      ),
      { numRuns: 300 },
    );
  });
});
