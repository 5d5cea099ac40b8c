/** Builders of facts for the tests of the plan: two sides and a base in words. */

import { createHmac } from "node:crypto";
import type {
  Checksums,
  Facts,
  OwnerFacts,
  Plan,
  SecretFacts,
  TokenFacts,
} from "../../src/controllers/hsmsecret/facts.ts";
import { plan } from "../../src/controllers/hsmsecret/plan.ts";
import type { Direction, HsmSecretSpec } from "../../src/crd/hsmsecret.ts";
import type { Base } from "../../src/crd/hsmsecret-status.ts";
import { ANNOTATION_PATH, API_VERSION, FINALIZER, MANAGED_LABELS } from "../../src/crd/names.ts";
import { parseHsmSecret } from "../../src/crd/parse.ts";
import type { SecretKey } from "../../src/pool/store.ts";

export const PATH = "secrets/shop/db";
export const POOL = "11".repeat(16);
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

export const checksums: Checksums = {
  of: (keys) => {
    const hmac = createHmac("sha256", "test");
    for (const [name, value] of keys) hmac.update(`${name.length}:${name}${value.length}:`).update(value);
    return `hmac-sha256:aaaaaaaa:${hmac.digest("hex")}`;
  },
  knows: (checksum) => checksum.startsWith("hmac-sha256:aaaaaaaa:"),
};

export function data(text: string): readonly SecretKey[] {
  return text === "" ? [] : [["password", Buffer.from(text)]];
}

export function spec(changes: Readonly<Record<string, unknown>> = {}): HsmSecretSpec {
  const parsed = parseHsmSecret({ spec: changes });
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value.spec;
}

export function owner(changes: Partial<OwnerFacts> = {}): OwnerFacts {
  return {
    namespace: "shop",
    name: "db",
    uid: "owner-1",
    generation: 1,
    deleting: false,
    finalizers: [FINALIZER],
    annotations: {},
    ...changes,
  };
}

/** The base: generation 3, data `old`, Secret `secret-1` at version 30. */
export function base(changes: Partial<Base> = {}): Base {
  return {
    pool: POOL,
    generation: 3,
    digest: "d3",
    dot: { device: "A", counter: 3 },
    secretUID: "secret-1",
    secretResourceVersion: "30",
    checksum: checksums.of(data("old")),
    ...changes,
  };
}

export function secret(
  text: string,
  changes: Partial<Extract<SecretFacts, { state: "present" }>> = {},
): SecretFacts {
  const keys = data(text);
  return {
    state: "present",
    uid: "secret-1",
    resourceVersion: text === "old" ? "30" : "31",
    type: "Opaque",
    deleting: false,
    labels: MANAGED_LABELS,
    annotations: { [ANNOTATION_PATH]: PATH },
    ownerReferences: [
      { apiVersion: API_VERSION, kind: "HSMSecret", name: "db", uid: "owner-1", controller: true },
    ],
    keys,
    checksum: checksums.of(keys),
    ...changes,
  };
}

/** A Secret that somebody else made. */
export function foreign(text: string): SecretFacts {
  return secret(text, { labels: {}, annotations: {}, ownerReferences: [], uid: "foreign-1" });
}

export const noSecret: SecretFacts = { state: "absent" };

type PresentToken = Extract<TokenFacts, { state: "present" }>;

/** A record that was read. Generation 3 with `old` is the base; later ones descend from it. */
export function token(text: string, generation: number, changes: Partial<PresentToken> = {}): TokenFacts {
  const keys = data(text);
  return {
    state: "present",
    kind: "record",
    pool: POOL,
    generation,
    digest: `d${generation}`,
    deleted: false,
    conflict: false,
    value: {
      keys,
      checksum: checksums.of(keys),
      meta: undefined,
      dot: ["A", generation],
      clock: new Map([["A", generation]]),
    },
    ...changes,
  };
}

export function listed(generation: number): TokenFacts {
  return token("", generation, { value: undefined });
}

export function deleted(generation: number): TokenFacts {
  return token("", generation, { deleted: true });
}

export const noToken: TokenFacts = { state: "absent", pool: POOL };
export const brokenToken: TokenFacts = {
  state: "failed",
  errorClass: "TokenGone",
  message: "The token is gone.",
};

export function facts(changes: Partial<Facts>): Facts {
  return {
    owner: owner(),
    spec: spec(),
    status: { base: base(), observedGeneration: 1 },
    path: PATH,
    secret: secret("old"),
    token: token("old", 3),
    pathAllowed: true,
    rivals: {},
    now: NOW,
    ...changes,
  };
}

/** A plan in few words: `createSecret old`, `writeToken new over 3`, `OutOfSync BothChanged`. */
export function inWords(planned: Plan): string {
  if (planned.kind === "read")
    return planned.generation === undefined ? "read" : `read ${planned.generation}`;
  if (planned.kind === "act") return planned.actions.map(actionInWords).join(", ");
  const synced = planned.status?.conditions?.find(({ type }) => type === "Synced");
  return `${planned.status?.syncStatus ?? "nothing"} ${synced?.reason ?? ""}`.trim();
}

function actionInWords(action: Extract<Plan, { kind: "act" }>["actions"][number]): string {
  const text = (keys: readonly SecretKey[] | null) =>
    keys === null
      ? "deletion"
      : keys.map(([name, value]) => (name === "password" ? "" : `${name}=`) + Buffer.from(value)).join(" ") ||
        "empty";
  switch (action.kind) {
    case "createSecret":
    case "writeSecret":
      return `${action.kind} ${text(action.keys)}`;
    case "markSecret":
      return `markSecret ${action.why}`;
    case "writeToken":
      return `writeToken ${text(action.keys)} over ${action.expect === "absent" ? "nothing" : action.expect.generation}`;
    default:
      return action.kind;
  }
}

/** A Secret whose marks are right, as the plan itself would put them. */
export function marked(): SecretFacts {
  const planned = plan(facts({ status: noBase }), checksums);
  const action = planned.kind === "act" ? planned.actions[0] : undefined;
  if (action?.kind !== "markSecret") throw new Error("expected marks");
  const annotations = Object.entries(action.marks.annotations).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  return secret("old", { annotations: Object.fromEntries(annotations) });
}

/** A status without a base. */
export const noBase = { observedGeneration: 1 };

/** What a plan comes to in this direction, in words. The Secret is ours, or its user's with SecretToHSM. */
export function decide(
  direction: Direction,
  changes: Partial<Facts>,
  adopt = direction === "SecretToHSM",
): string {
  const finalizers = direction === "HSMToSecret" ? [] : owner().finalizers;
  const seen = changes.secret ?? secret("old");
  const unowned =
    seen.state === "absent" ? seen : { ...seen, labels: {}, annotations: {}, ownerReferences: [] };
  return inWords(
    plan(
      facts({
        owner: owner({ finalizers }),
        ...changes,
        secret: direction === "SecretToHSM" ? unowned : seen,
        spec: spec({ direction, adopt }),
      }),
      checksums,
    ),
  );
}
