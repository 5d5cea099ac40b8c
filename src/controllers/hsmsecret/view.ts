/** Facts with what follows from them at once: the base that counts, whose the Secret is, how both sides stand. */

import type { Base } from "../../crd/hsmsecret-status.ts";
import { ANNOTATION_RESOLVE } from "../../crd/names.ts";
import { baseOf } from "./base.ts";
import type { Checksums, Facts, SecretFacts, TokenFacts } from "./facts.ts";
import { type Ownership, ownershipOf } from "./ownership.ts";
import {
  type Mapped,
  mapKeys,
  type SecretRelation,
  secretRelation,
  type TokenRelation,
  tokenRelation,
} from "./views.ts";

export type PresentSecret = Extract<SecretFacts, { state: "present" }>;
export type PresentToken = Extract<TokenFacts, { state: "present" }>;

export interface View {
  readonly facts: Facts;
  readonly checksums: Checksums;
  readonly base: Base | undefined;
  /** `undefined` when there is no Secret. */
  readonly ownership: Ownership | undefined;
  readonly secretRelation: SecretRelation;
  /** `undefined` when the token has nothing at the path or could not be read. */
  readonly tokenRelation: TokenRelation | undefined;
  /** The token's value as it belongs into the Secret; `undefined` when it was not read. */
  readonly mapped: Mapped | undefined;
  /** Whether the Secret is ours, or may be taken as such because of `spec.adopt`. */
  readonly maySync: boolean;
  /** What a person decided about a conflict. */
  readonly resolve: "hsm" | "secret" | undefined;
}

export function viewOf(facts: Facts, checksums: Checksums): View {
  const { secret, token, spec, path, owner } = facts;
  const base = baseOf(facts.status, secret, path, checksums);
  const value = token.state === "present" ? token.value : undefined;
  const mapped = value === undefined ? undefined : mapKeys(value, spec.keys, checksums);
  const ownership = secret.state === "present" ? ownershipOf(secret, owner, path) : undefined;
  const resolve = owner.annotations[ANNOTATION_RESOLVE];
  return {
    facts,
    checksums,
    base,
    ownership,
    secretRelation: secretRelation(secret, base),
    tokenRelation:
      token.state === "present"
        ? tokenRelation(token, base, mapped?.ok === true ? mapped.checksum : undefined)
        : undefined,
    mapped,
    maySync: ownership !== undefined && (ownership !== "others" || spec.adopt),
    resolve: resolve === "hsm" || resolve === "secret" ? resolve : undefined,
  };
}
