import { describe, expect, it } from "vitest";
import {
  base,
  brokenToken,
  checksums,
  decide,
  deleted,
  facts,
  foreign,
  inWords,
  listed,
  noBase,
  noSecret,
  noToken,
  owner,
  secret,
  spec,
  token,
} from "../../../test/controllers/plan-facts.ts";
import type { Facts, SecretFacts, TokenFacts } from "./facts.ts";
import { plan } from "./plan.ts";

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

describe("deletion of an HSMSecret", () => {
  const going = (changes: Partial<Facts>, fields: Readonly<Record<string, unknown>> = {}) =>
    inWords(plan(facts({ owner: owner({ deleting: true }), spec: spec(fields), ...changes }), checksums));
  const toDelete = { deletionPolicy: "Delete" };

  it("with Retain waits for no device: the Secret goes only where the token is known to hold it", () => {
    expect(going({ token: listed(3) })).toBe("deleteSecret");
    expect(going({ token: brokenToken })).toBe("markSecret Release");
    expect(going({ token: noToken })).toBe("markSecret Release");
    expect(going({ token: listed(3), secret: secret("edit") })).toBe("markSecret Release");
    expect(going({ token: deleted(4) })).toBe("markSecret Release");
    expect(going({ token: listed(3), secret: noSecret })).toBe("removeFinalizer");
  });

  it("with Delete writes the tombstone first, and waits for the device", () => {
    expect(going({ token: listed(3) }, toDelete)).toBe("writeToken deletion over 3");
    expect(going({ token: deleted(4) }, toDelete)).toBe("deleteSecret");
    const waiting = plan(
      facts({ owner: owner({ deleting: true }), spec: spec(toDelete), token: brokenToken }),
      checksums,
    );
    expect(waiting).toMatchObject({ kind: "rest", requeue: "backoff", status: { syncStatus: "Pending" } });
    expect(waiting.kind === "rest" && waiting.status?.lastError).toContain("spec.deletionPolicy to Retain");
  });

  it("with Delete leaves data that this HSMSecret has not synced", () => {
    const away = { ...listed(3), pool: "22".repeat(16) } as TokenFacts;
    expect(going({ token: away }, toDelete)).not.toContain("writeToken");
    expect(going({ token: listed(3), status: noBase }, toDelete)).not.toContain("writeToken");
    expect(going({ token: listed(3), rivals: { path: "shop/elder" } }, toDelete)).not.toContain("writeToken");
    expect(going({ token: listed(3), pathAllowed: false }, toDelete)).not.toContain("writeToken");
  });

  it("leaves a Secret of others, and one that shall be retained", () => {
    expect(going({ token: listed(3), secret: foreign("old") })).toBe("removeFinalizer");
    expect(going({ token: listed(3) }, { secretDeletionPolicy: "Retain" })).toBe("markSecret Release");
    const ended = plan(facts({ owner: owner({ deleting: true, finalizers: [] }) }), checksums);
    expect(ended).toEqual({ kind: "rest", status: undefined, events: [], annotations: {}, requeue: "never" });
  });
});
