import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Fault, NativeCall } from "../../src/hsm/mock/memory-token.ts";
import {
  content,
  copyOf,
  look,
  NEIGHBOUR,
  PATH,
  type Prepared,
  prepare,
  reopen,
  type Scenario,
} from "./scenario.ts";

const CARD = { verification: "refresh", partSize: 400, objectCapacity: 24 } as const;
const SOFT = { verification: "readback", partSize: 400, objectCapacity: 24 } as const;

const SCENARIOS: Scenario[] = [];
for (const [kind, token] of [
  ["card", CARD],
  ["soft token", SOFT],
] as const) {
  const add = (name: string, rest: Omit<Scenario, "name" | "token">) =>
    SCENARIOS.push({ name: `${name} (${kind})`, token, ...rest });
  add("a new secret", { past: [], next: 50, historyLimit: 1 });
  add("a new secret of many parts", { past: [], next: 1500, historyLimit: 1 });
  add("an update that keeps the old one", { past: [50], next: 60, historyLimit: 1 });
  add("an update that destroys history", { past: [50, 60, 70], next: 60, historyLimit: 1 });
  add("an update without history", { past: [50, 900], next: 1500, historyLimit: 0 });
  add("a deletion", { past: [50, 900, 30], next: "tombstone", historyLimit: 3 });
  add("an update of a full token", { past: [50], next: 60, historyLimit: 1, fill: true });
  add("a deletion on a full token", { past: [900], next: "tombstone", historyLimit: 1, fill: true });
  add("a larger secret where history gives way", {
    past: [900, 900, 900, 900, 900],
    next: 900,
    historyLimit: 5,
  });
  const foreign = [
    [`${PATH}/user`, "ada"],
    [`${PATH}/password`, "secret"],
    [`${PATH}/_metadata`, "{}"],
  ] as const;
  add("the first write over per-key objects", { past: [], next: 50, historyLimit: 1, foreign });
  add("the deletion of per-key objects", { past: [], next: "tombstone", historyLimit: 1, foreign });
}

/** Every way in which the power can go in one call. */
const CUTS: readonly (readonly [name: string, fault: Fault])[] = [
  ["before it took effect", { kind: "cut", done: false }],
  ["after it took effect", { kind: "cut", done: true }],
  ["while it said success and stored nothing", { kind: "lie-cut", keeps: 0 }],
  ["while it said success and stored half", { kind: "lie-cut", keeps: 30 }],
];

/** Plays the write with these faults, restarts, and checks all that must hold. */
async function play(scenario: Scenario, prepared: Prepared, fault: (call: NativeCall) => Fault | undefined) {
  const flash = copyOf(prepared.flash);
  let calls = 0;
  let answer = "failed";
  let opened = true;
  const counted = (call: NativeCall) => {
    calls = call.n;
    return fault(call);
  };
  try {
    const client = await reopen(flash, scenario, counted);
    const [result] = await client.write([prepared.request]);
    answer = result?.status ?? "failed";
    await client.close();
  } catch {
    opened = false;
  }

  const after = await reopen(flash, scenario);
  const seen = await look(after, PATH);
  expect([prepared.before, prepared.after]).toContain(seen);
  if (answer === "written") expect(seen).toBe(prepared.after);
  if (!opened) expect(seen).toBe(prepared.before);
  expect(await look(after, NEIGHBOUR)).toBe(`v=${content(1, 20).toString("latin1")}`);

  // The token is not spoilt: the same write succeeds now, and two more looks let the leftovers go.
  const [retry] = await after.write([prepared.request]);
  expect(retry?.status).toBe("written");
  expect(await look(after, PATH)).toBe(prepared.after);
  await after.close();
  return { calls, answer };
}

describe("power goes in any call of a write, and a reader sees the old secret or the new one", () => {
  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))("%s", async (_, scenario) => {
    const prepared = await prepare(scenario);
    const { calls, answer } = await play(scenario, prepared, () => undefined);
    expect(answer).toBe("written");
    expect(calls).toBeGreaterThan(1);
    for (let n = 1; n <= calls; n += 1) {
      for (const [, fault] of CUTS) {
        await play(scenario, prepared, (call) => (call.n === n ? fault : undefined));
      }
    }
  });
});

describe("a token that lies about one create", () => {
  it.each([0, 1, 30, 390])("and keeps %i bytes: the write is removed again and reported", async (keeps) => {
    const scenario: Scenario = { name: "", past: [50], next: 1500, historyLimit: 1, token: CARD };
    const prepared = await prepare(scenario);
    let creates = 0;
    const flash = copyOf(prepared.flash);
    const client = await reopen(flash, scenario, (call) => {
      if (call.kind === "create") creates += 1;
      return call.kind === "create" && creates === 2 ? { kind: "lie", keeps } : undefined;
    });
    const used = (await client.list()).objectsUsed;
    const [result] = await client.write([prepared.request]);
    expect(result).toMatchObject({ status: "failed", error: { class: "NoSpace" } });
    expect(await look(client, PATH)).toBe(prepared.before);
    const listing = await client.refresh();
    expect(listing.objectsUsed).toBe(used);
    expect(listing.problems).toEqual([]);
    await client.close();
  });
});

describe("leftovers of a write that the power cut", () => {
  const scenario: Scenario = { name: "", past: [50], next: 1500, historyLimit: 1, token: CARD };

  it("are reported, and swept by a write only after a second look showed them", async () => {
    const prepared = await prepare(scenario);
    const flash = copyOf(prepared.flash);
    const broken = await reopen(flash, scenario, (call) =>
      call.n === 4 ? { kind: "cut", done: true } : undefined,
    );
    await broken.write([prepared.request]).catch(() => undefined);
    const client = await reopen(flash, scenario);
    const { problems, objectsUsed } = await client.list();
    expect(problems).toMatchObject([{ label: PATH, reason: "Incomplete" }]);

    const other = { ...scenario, past: [], next: 10 } as const;
    const [written] = await client.write(
      [(await prepare(other)).request].map((r) => ({ ...r, expect: { kind: "any" } })),
    );
    // The dot of that unrelated past is not ours to reuse: what counts here is the sweep of the group's refresh.
    expect(written?.status).toBe("conflict");
    expect((await client.list()).objectsUsed).toBe(objectsUsed);

    const [retry] = await client.write([prepared.request]);
    expect(retry?.status).toBe("written");
    expect((await client.refresh()).problems).toEqual([]);
    await client.close();
  });
});

describe("any scenario, any faults", () => {
  const size = fc.integer({ min: 1, max: 2000 });
  const scenarios = fc.record({
    past: fc.array(size, { maxLength: 4 }),
    next: fc.oneof(size, fc.constant("tombstone" as const)),
    historyLimit: fc.integer({ min: 0, max: 4 }),
    card: fc.boolean(),
    fill: fc.boolean(),
  });
  const cut = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), kind: fc.nat(CUTS.length - 1) });

  it("never shows a torn or a lost secret", async () => {
    await fc.assert(
      fc.asyncProperty(scenarios, cut, async ({ card, ...rest }, { at, kind }) => {
        const token = { ...(card ? CARD : SOFT), objectCapacity: 60 };
        const scenario: Scenario = { name: "", token, ...rest };
        const prepared = await prepare(scenario);
        const { calls, answer } = await play(scenario, prepared, () => undefined).catch(() => ({
          calls: 0,
          answer: "",
        }));
        if (answer !== "written") return;
        const n = 1 + Math.floor(at * calls);
        await play(scenario, prepared, (call) => (call.n === n ? CUTS[kind]?.[1] : undefined));
      }),
      { numRuns: 60 },
    );
  });
});
