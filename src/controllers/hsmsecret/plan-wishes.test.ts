import { describe, expect, it } from "vitest";
import {
  base,
  brokenToken,
  checksums,
  facts,
  inWords,
  listed,
  marked,
  noBase,
  noSecret,
  noToken,
  owner,
  POOL,
  secret,
  spec,
  token,
} from "../../../test/controllers/plan-facts.ts";
import type { SecretFacts } from "./facts.ts";
import { plan } from "./plan.ts";

const other = token("new", 3, { pool: "22".repeat(16), digest: "x" });

describe("autoSync: false", () => {
  const off = spec({ autoSync: false });

  it("moves neither direction", () => {
    expect(inWords(plan(facts({ spec: off, token: token("new", 4) }), checksums))).toBe(
      "OutOfSync AutoSyncOff",
    );
    expect(inWords(plan(facts({ spec: off, secret: secret("new") }), checksums))).toBe(
      "OutOfSync AutoSyncOff",
    );
    expect(inWords(plan(facts({ spec: off, secret: noSecret }), checksums))).toBe("OutOfSync AutoSyncOff");
  });

  it("moves once for each new value of sync-now", () => {
    const asked = owner({ annotations: { "hsm.j5t.io/sync-now": "2" } });
    expect(inWords(plan(facts({ spec: off, owner: asked, token: noToken }), checksums))).toBe("read");
    expect(
      inWords(plan(facts({ spec: off, owner: asked, secret: secret("new"), looked: true }), checksums)),
    ).toBe("writeToken new over 3");
    const rested = plan(
      facts({ spec: off, owner: asked, token: listed(3), secret: marked(), looked: true }),
      checksums,
    );
    expect(rested).toMatchObject({ kind: "rest", annotations: { "hsm.j5t.io/sync-now-done": "2" } });
    const answered = owner({ annotations: { "hsm.j5t.io/sync-now": "2", "hsm.j5t.io/sync-now-done": "2" } });
    expect(inWords(plan(facts({ spec: off, owner: answered, secret: secret("new") }), checksums))).toBe(
      "OutOfSync AutoSyncOff",
    );
  });

  it("still holds the last copy back from the collector", () => {
    expect(inWords(plan(facts({ spec: off, token: noToken }), checksums))).toBe("markSecret LastCopy");
  });
});

describe("a settled HSMSecret", () => {
  it("rests, and its status does not change", () => {
    const first = plan(facts({ token: listed(3), secret: marked() }), checksums);
    if (first.kind !== "rest" || first.status === undefined) throw new Error(inWords(first));
    expect(first.status).toMatchObject({
      syncStatus: "InSync",
      hsmGeneration: 3,
      hsmChecksum: base().checksum,
      secretChecksum: base().checksum,
      secretRef: { name: "db", namespace: "shop" },
      observedGeneration: 1,
    });
    const later = plan(
      facts({ token: listed(3), secret: marked(), status: first.status, now: Date.UTC(2027, 0, 1) }),
      checksums,
    );
    expect(later).toMatchObject({ kind: "rest", events: [], annotations: {} });
    expect(later.kind === "rest" && later.status).toBe(first.status);
  });

  it("does not write its status because the Secret's metadata changed", () => {
    const first = plan(facts({ token: listed(3), secret: marked() }), checksums);
    if (first.kind !== "rest" || first.status === undefined) throw new Error(inWords(first));
    const touched = { ...marked(), resourceVersion: "77" } as SecretFacts;
    const later = plan(facts({ token: listed(3), secret: touched, status: first.status }), checksums);
    expect(later.kind === "rest" && later.status).toBe(first.status);
  });

  it("keeps a transition time until the status of the condition changes", () => {
    const first = plan(facts({ token: listed(3), secret: marked() }), checksums);
    const status = first.kind === "rest" ? first.status : undefined;
    const broken = plan(
      facts({ token: brokenToken, status: status ?? {}, now: Date.UTC(2027, 0, 1) }),
      checksums,
    );
    const ready = (from: typeof first) =>
      from.kind === "rest" ? from.status?.conditions?.find(({ type }) => type === "Ready") : undefined;
    expect(ready(broken)).toMatchObject({ status: "False", lastTransitionTime: "2027-01-01T00:00:00Z" });
    const conflictBefore = status?.conditions?.find(({ type }) => type === "Conflict");
    expect(
      broken.kind === "rest" && broken.status?.conditions?.find(({ type }) => type === "Conflict"),
    ).toEqual(conflictBefore);
    expect(broken.kind === "rest" && broken.status?.base).toEqual(base());
  });
});

describe("spec.keys", () => {
  const mapped = spec({ direction: "HSMToSecret", keys: [{ from: "password", to: "DB_PASSWORD" }] });

  it("puts the named keys under their new names into the Secret", () => {
    const planned = plan(
      facts({ owner: owner({ finalizers: [] }), spec: mapped, secret: noSecret, status: noBase }),
      checksums,
    );
    expect(inWords(planned)).toBe("createSecret DB_PASSWORD=old");
  });

  it("is an error when a key is not on the token, and writes nothing", () => {
    const missing = spec({ direction: "HSMToSecret", keys: [{ from: "user", to: "user" }] });
    const planned = plan(
      facts({ owner: owner({ finalizers: [] }), spec: missing, secret: secret("old") }),
      checksums,
    );
    expect(inWords(planned)).toBe("Error ReadFailed");
  });
});

describe("conflict", () => {
  const changed = { token: token("new", 4), secret: secret("other") };
  const annotated = (value: string) => owner({ annotations: { "hsm.j5t.io/resolve": value } });

  it("names both checksums and the way to resolve it", () => {
    const planned = plan(facts(changed), checksums);
    const found =
      planned.kind === "rest"
        ? planned.status?.conditions?.find(({ type }) => type === "Conflict")
        : undefined;
    expect(found?.status).toBe("True");
    expect(found?.message).toContain(checksums.of([["password", Buffer.from("new")]]));
    expect(found?.message).toContain(checksums.of([["password", Buffer.from("other")]]));
    expect(found?.message).toContain("hsm.j5t.io/resolve");
    expect(planned.kind === "rest" && planned.events).toMatchObject([
      { type: "Warning", reason: "Conflict" },
    ]);
  });

  it("is resolved by a person: the token wins after the Secret was kept on the token, or the Secret wins", () => {
    expect(inWords(plan(facts({ ...changed, owner: annotated("hsm") }), checksums))).toBe(
      "writeToken other over 4",
    );
    expect(inWords(plan(facts({ ...changed, owner: annotated("secret") }), checksums))).toBe(
      "writeToken other over 4",
    );
    expect(inWords(plan(facts({ ...changed, owner: annotated("nonsense") }), checksums))).toBe(
      "OutOfSync BothChanged",
    );
  });

  it("goes on to the winner after a crash behind the loser", () => {
    const loser = token("other", 5);
    if (loser.state !== "present" || loser.value === undefined) throw new Error("unreachable");
    const labels = { "hsm.j5t.io/conflict": "loser", "hsm.j5t.io/conflict-winner": "4" };
    const seen = { ...loser, value: { ...loser.value, meta: { labels } } };
    expect(inWords(plan(facts({ token: seen, secret: secret("other") }), checksums))).toBe("read 4");
  });

  it.each([
    ["Report", {}, "OutOfSync BothChanged"],
    ["PreferHSM", {}, "writeToken other over 4"],
    ["PreferSecret", {}, "writeToken other over 4"],
    ["PreferHSM", { historyLimit: 0 }, "OutOfSync BothChanged"],
    ["PreferSecret", { historyLimit: 0 }, "OutOfSync BothChanged"],
  ])("policy %s with %j: %s", (conflictPolicy, more, expected) => {
    expect(inWords(plan(facts({ ...changed, spec: spec({ conflictPolicy, ...more }) }), checksums))).toBe(
      expected,
    );
  });

  it("without a base, or of a replaced token, is a person's to decide whatever the policy", () => {
    for (const conflictPolicy of ["PreferHSM", "PreferSecret"]) {
      const policy = spec({ conflictPolicy });
      expect(inWords(plan(facts({ ...changed, status: noBase, spec: policy }), checksums))).toBe(
        "OutOfSync BothChanged",
      );
      expect(inWords(plan(facts({ ...changed, token: other, spec: policy }), checksums))).toBe(
        "OutOfSync TokenReplaced",
      );
    }
  });

  it("writes the last copy back to a token that lost it, when a person says so", () => {
    const asked = { token: noToken, secret: secret("old"), owner: annotated("secret") };
    expect(inWords(plan(facts(asked), checksums))).toBe("writeToken old over nothing");
    const other = { ...asked, owner: annotated("hsm") };
    expect(inWords(plan(facts(other), checksums))).toBe("markSecret LastCopy");
  });

  it("takes the annotation off once both sides agree", () => {
    const planned = plan(facts({ token: listed(3), secret: marked(), owner: annotated("hsm") }), checksums);
    expect(planned).toMatchObject({ kind: "rest", annotations: { "hsm.j5t.io/resolve": null } });
  });
});

describe("rollback-to", () => {
  const asked = (value: string) => owner({ annotations: { "hsm.j5t.io/rollback-to": value } });
  const record = (text: string, generation: number) => ({
    v: 1 as const,
    pool: new Uint8Array(16),
    path: "secrets/shop/db",
    generation,
    dot: ["A", generation] as const,
    clock: new Map([["A", generation]]),
    writer: "test",
    time: "",
    nonce: new Uint8Array(16),
    deleted: false,
    keys: [["password", Buffer.from(text)]] as const,
  });
  const earlier = (text: string) => ({
    generation: 2,
    read: {
      state: "present" as const,
      kind: "record" as const,
      pool: POOL,
      record: record(text, 2),
      digest: "d2",
      conflicts: [],
      checksum: "",
    },
  });

  it("reads that generation and writes its keys anew, only from agreement", () => {
    expect(inWords(plan(facts({ owner: asked("2"), secret: marked() }), checksums))).toBe("read 2");
    expect(
      inWords(plan(facts({ owner: asked("2"), secret: marked(), earlier: earlier("first") }), checksums)),
    ).toBe("writeToken first over 3");
    expect(
      inWords(plan(facts({ owner: asked("2"), token: token("new", 4), secret: secret("x") }), checksums)),
    ).toBe("OutOfSync BothChanged");
  });

  it("is done when the token holds that content, and refused when it makes no sense", () => {
    const gone = { "hsm.j5t.io/rollback-to": null };
    for (const [value, read] of [
      ["2", earlier("old")],
      ["3", undefined],
      ["soon", undefined],
      ["9", { generation: 9, read: { state: "absent" as const, pool: POOL } }],
    ] as const) {
      const planned = plan(facts({ owner: asked(value), secret: marked(), earlier: read }), checksums);
      expect(planned, value).toMatchObject({ kind: "rest", annotations: gone });
    }
  });
});
