import { describe, expect, it } from "vitest";
import type { Direction } from "../../crd/hsmsecret.ts";
import type { Facts, SecretFacts, TokenFacts } from "./facts.ts";
import {
  base,
  brokenToken,
  checksums,
  deleted,
  facts,
  foreign,
  inWords,
  listed,
  noSecret,
  noToken,
  owner,
  POOL,
  secret,
  spec,
  token,
} from "./plan.fixture.ts";
import { plan } from "./plan.ts";

function decide(direction: Direction, changes: Partial<Facts>, adopt = direction === "SecretToHSM"): string {
  const finalizers = direction === "HSMToSecret" ? [] : owner().finalizers;
  return inWords(
    plan(
      facts({
        owner: owner({ finalizers }),
        ...changes,
        // SecretToHSM never owns: the same Secret is its user's.
        secret:
          direction === "SecretToHSM"
            ? unowned(changes.secret ?? secret("old"))
            : (changes.secret ?? secret("old")),
        spec: spec({ direction, adopt }),
      }),
      checksums,
    ),
  );
}

function unowned(seen: SecretFacts): SecretFacts {
  return seen.state === "absent" ? seen : { ...seen, labels: {}, annotations: {}, ownerReferences: [] };
}

const noBase = { observedGeneration: 1 };
const other = token("new", 3, { pool: "22".repeat(16), digest: "x" });
const older = token("older", 2);
const sibling = token("new", 4, {
  value: {
    keys: [["password", Buffer.from("new")]],
    checksum: "hmac-sha256:aaaaaaaa:n",
    meta: undefined,
    dot: ["B", 4],
    clock: new Map([["B", 4]]),
  },
});

/** [H, S, Bidirectional, HSMToSecret, SecretToHSM]: the table of docs/sync.md, row by row. */
const rows: readonly [
  string,
  { token: TokenFacts; secret: SecretFacts; status?: Facts["status"] },
  string,
  string,
  string,
][] = [
  [
    "H = S, no base: the base moves",
    { token: token("old", 3), secret: secret("old"), status: noBase },
    "markSecret Base",
    "markSecret Base",
    "InSync InSync",
  ],
  [
    "H = S, changed to the same on both sides",
    { token: token("new", 4), secret: secret("new") },
    "markSecret Base",
    "markSecret Base",
    "InSync InSync",
  ],
  [
    "H advanced, S = B",
    { token: token("new", 4), secret: secret("old") },
    "writeSecret new",
    "writeSecret new",
    "writeToken old over 4",
  ],
  [
    "H = B, S changed",
    { token: token("old", 3), secret: secret("new") },
    "writeToken new over 3",
    "writeSecret old",
    "writeToken new over 3",
  ],
  [
    "H advanced, S changed",
    { token: token("new", 4), secret: secret("other") },
    "OutOfSync BothChanged",
    "writeSecret new",
    "writeToken other over 4",
  ],
  [
    "H differs, no base, S ours",
    { token: token("new", 4), secret: secret("old"), status: noBase },
    "OutOfSync BothChanged",
    "writeSecret new",
    "writeToken old over 4",
  ],
  [
    "H of another pool",
    { token: other, secret: secret("old") },
    "OutOfSync TokenReplaced",
    "OutOfSync TokenReplaced",
    "OutOfSync TokenReplaced",
  ],
  [
    "H of another pool, no Secret",
    { token: other, secret: noSecret },
    "OutOfSync TokenReplaced",
    "OutOfSync TokenReplaced",
    "OutOfSync TokenReplaced",
  ],
  [
    "H older than B",
    { token: older, secret: secret("old") },
    "OutOfSync TokenReplaced",
    "OutOfSync TokenReplaced",
    "OutOfSync TokenReplaced",
  ],
  [
    "H newer but no descendant of B",
    { token: sibling, secret: secret("old") },
    "OutOfSync TokenReplaced",
    "OutOfSync TokenReplaced",
    "OutOfSync TokenReplaced",
  ],
  [
    "H present, S absent, no base",
    { token: token("old", 3), secret: noSecret, status: noBase },
    "createSecret old",
    "createSecret old",
    "Pending Waiting",
  ],
  [
    "H = B, S absent",
    { token: token("old", 3), secret: noSecret },
    "createSecret old",
    "createSecret old",
    "Pending Waiting",
  ],
  [
    "H advanced, S absent",
    { token: token("new", 4), secret: noSecret },
    "createSecret new",
    "createSecret new",
    "Pending Waiting",
  ],
  [
    "H absent, S present, no base",
    { token: noToken, secret: secret("old"), status: noBase },
    "writeToken old over nothing",
    "Pending Waiting",
    "writeToken old over nothing",
  ],
  [
    "H absent, base known: the Secret is held",
    { token: noToken, secret: secret("old") },
    "markSecret LastCopy",
    "markSecret LastCopy",
    "writeToken old over nothing",
  ],
  [
    "tombstone newer than B, S = B",
    { token: deleted(4), secret: secret("old") },
    "deleteSecret",
    "deleteSecret",
    "writeToken old over 4",
  ],
  [
    "tombstone, S changed",
    { token: deleted(4), secret: secret("new") },
    "OutOfSync BothChanged",
    "OutOfSync BothChanged",
    "writeToken new over 4",
  ],
  [
    "tombstone, no base",
    { token: deleted(4), secret: secret("old"), status: noBase },
    "OutOfSync BothChanged",
    "OutOfSync BothChanged",
    "writeToken old over 4",
  ],
  [
    "tombstone, S absent",
    { token: deleted(4), secret: noSecret },
    "Pending Deleted",
    "Pending Deleted",
    "Pending Waiting",
  ],
  [
    "H absent, S absent",
    { token: noToken, secret: noSecret, status: noBase },
    "Pending Waiting",
    "Pending Waiting",
    "Pending Waiting",
  ],
  [
    "H absent, S absent, base known",
    { token: noToken, secret: noSecret },
    "Pending HSMDataMissing",
    "Pending HSMDataMissing",
    "Pending HSMDataMissing",
  ],
  [
    "H failed to read",
    { token: brokenToken, secret: secret("new") },
    "Error DeviceUnavailable",
    "Error DeviceUnavailable",
    "Error DeviceUnavailable",
  ],
  [
    "two records of which neither descends from the other",
    { token: token("old", 3, { conflict: true }), secret: secret("old") },
    "OutOfSync BothChanged",
    "OutOfSync BothChanged",
    "OutOfSync BothChanged",
  ],
  [
    "an empty Secret against a full token",
    { token: token("old", 3), secret: secret("") },
    "OutOfSync BothChanged",
    "writeSecret old",
    "OutOfSync BothChanged",
  ],
];

describe.each(rows)("%s", (_name, changes, bidirectional, toSecret, toToken) => {
  it.each([
    ["Bidirectional", bidirectional],
    ["HSMToSecret", toSecret],
    ["SecretToHSM", toToken],
  ] as const)("%s: %s", (direction, expected) => {
    expect(decide(direction, changes)).toBe(expected);
  });
});

describe("values are read only where the listing does not tell", () => {
  it.each([
    ["H = B and S = B", { token: listed(3), secret: secret("old") }, false],
    ["H advanced", { token: listed(4), secret: secret("old") }, true],
    ["S changed", { token: listed(3), secret: secret("new") }, true],
    ["S absent", { token: listed(3), secret: noSecret }, true],
    [
      "another pool",
      { token: { ...listed(3), pool: "22".repeat(16) } as TokenFacts, secret: secret("old") },
      false,
    ],
  ])("%s: %s", (_name, changes, reads) => {
    expect(decide("Bidirectional", changes) === "read").toBe(reads);
  });

  it("reads again when the spec changed, as the mapping of keys may have", () => {
    const status = { base: base(), observedGeneration: 0 };
    expect(decide("HSMToSecret", { token: listed(3), secret: secret("old"), status })).toBe("read");
  });
});

describe("a Secret that is not ours", () => {
  it.each([
    ["H present", token("new", 4)],
    ["H with the same data", token("old", 4)],
    ["H absent", noToken],
    ["a tombstone", deleted(4)],
  ])("is left alone without adopt: %s", (_name, seen) => {
    for (const direction of ["Bidirectional", "HSMToSecret", "SecretToHSM"] as const) {
      expect(decide(direction, { token: seen, secret: foreign("old"), status: noBase }, false)).toBe(
        "Error SecretExists",
      );
    }
  });

  it.each([
    ["the same data: adopted", token("old", 4), "markSecret Base", "markSecret Base", "InSync InSync"],
    ["other data", token("new", 4), "OutOfSync BothChanged", "writeSecret new", "writeToken old over 4"],
    ["H absent", noToken, "writeToken old over nothing", "Pending Waiting", "writeToken old over nothing"],
  ] as const)("with adopt, %s", (_name, seen, bidirectional, toSecret, toToken) => {
    const changes = { token: seen, secret: foreign("old"), status: noBase };
    expect(decide("Bidirectional", changes, true)).toBe(bidirectional);
    expect(decide("HSMToSecret", changes, true)).toBe(toSecret);
    expect(decide("SecretToHSM", changes, true)).toBe(toToken);
  });

  it("is taken for others' when one of label, path and owner does not name this HSMSecret", () => {
    const mine = secret("old");
    if (mine.state === "absent") throw new Error("unreachable");
    const strangers: SecretFacts[] = [
      { ...mine, labels: { "managed-by": "hsm-secrets-operator" } },
      { ...mine, annotations: { "hsm.j5t.io/path": "secrets/shop/other" } },
      { ...mine, ownerReferences: [] },
      { ...mine, ownerReferences: mine.ownerReferences.map((ref) => ({ ...ref, name: "other" })) },
    ];
    for (const stranger of strangers) {
      expect(decide("Bidirectional", { token: token("new", 4), secret: stranger }, false)).toBe(
        "Error SecretExists",
      );
    }
  });
});

describe("a Secret of an HSMSecret that was replaced", () => {
  const former = secret("old", {
    ownerReferences: [{ apiVersion: "hsm.j5t.io/v1alpha1", kind: "HSMSecret", name: "db", uid: "owner-0" }],
  });

  it("is re-owned before anything else, even when the token cannot be read or autoSync is off", () => {
    expect(decide("Bidirectional", { token: brokenToken, secret: former, status: {} })).toBe(
      "markSecret Reown",
    );
    const held = facts({ secret: former, spec: spec({ autoSync: false }), status: {} });
    const planned = plan(held, checksums);
    expect(inWords(planned)).toBe("markSecret Reown");
    const action = planned.kind === "act" ? planned.actions[0] : undefined;
    expect(action?.kind === "markSecret" && action.marks.ownerReferences.map(({ uid }) => uid)).toEqual([
      "owner-1",
    ]);
  });

  it("takes the base that the Secret repeats when the status has none", () => {
    const annotations = {
      "hsm.j5t.io/path": "secrets/shop/db",
      "hsm.j5t.io/base": JSON.stringify({ ...base(), secretResourceVersion: undefined }),
    };
    const kept = secret("old", { annotations });
    expect(decide("Bidirectional", { token: token("new", 4), secret: kept, status: {} })).toBe(
      "writeSecret new",
    );
  });
});

describe("a base under another checksum key", () => {
  const unknown = { base: base({ checksum: "hmac-sha256:bbbbbbbb:0" }), observedGeneration: 1 };

  it("is no base: neither equal nor changed", () => {
    expect(decide("Bidirectional", { token: token("new", 4), secret: secret("old"), status: unknown })).toBe(
      "OutOfSync BothChanged",
    );
    expect(decide("Bidirectional", { token: token("old", 3), secret: secret("old"), status: unknown })).toBe(
      "markSecret Base",
    );
  });
});

describe("gates", () => {
  it("refuse a path of another namespace, an elder's path and an elder's Secret", () => {
    expect(decide("Bidirectional", { pathAllowed: false })).toBe("Error PathNotAllowed");
    expect(decide("Bidirectional", { rivals: { path: "a/b" } })).toBe("Error PathNotAllowed");
    expect(decide("HSMToSecret", { rivals: { path: "a/b" }, token: token("new", 4) })).toBe(
      "writeSecret new",
    );
    expect(decide("HSMToSecret", { rivals: { secret: "shop/a" } })).toBe("Error SecretExists");
  });

  it("want the finalizer before the first write of a direction that writes the token, and off otherwise", () => {
    const bare = owner({ finalizers: [] });
    expect(inWords(plan(facts({ owner: bare, secret: secret("new") }), checksums))).toBe("addFinalizer");
    expect(inWords(plan(facts({ spec: spec({ direction: "HSMToSecret" }) }), checksums))).toBe(
      "removeFinalizer",
    );
  });

  it("refuse a Secret of another type", () => {
    const typed = secret("old", { type: "kubernetes.io/tls" });
    expect(decide("Bidirectional", { secret: typed, token: token("new", 4) })).toBe("Error SecretExists");
  });

  it("let go of a Secret when the direction becomes SecretToHSM", () => {
    const planned = plan(facts({ spec: spec({ direction: "SecretToHSM" }) }), checksums);
    expect(inWords(planned)).toBe("markSecret Release");
  });
});

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

/** A Secret whose marks are right. */
function marked(): SecretFacts {
  const planned = plan(facts({ token: token("old", 3), secret: secret("old"), status: noBase }), checksums);
  const action = planned.kind === "act" ? planned.actions[0] : undefined;
  if (action?.kind !== "markSecret") throw new Error("expected marks");
  return secret("old", {
    annotations: Object.fromEntries(
      Object.entries(action.marks.annotations).filter(
        (entry): entry is [string, string] => entry[1] !== null,
      ),
    ),
  });
}

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
