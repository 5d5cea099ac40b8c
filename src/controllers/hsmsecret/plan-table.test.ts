import { describe, expect, it } from "vitest";
import {
  brokenToken,
  decide,
  deleted,
  noBase,
  noSecret,
  noToken,
  secret,
  token,
} from "../../../test/controllers/plan-facts.ts";
import type { Facts, SecretFacts, TokenFacts } from "./facts.ts";

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
