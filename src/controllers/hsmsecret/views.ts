/** How each side stands to the base. Pure. */

import type { HsmSecretSpec } from "../../crd/hsmsecret.ts";
import type { Base } from "../../crd/hsmsecret-status.ts";
import type { SecretKey } from "../../pool/store.ts";
import { isDeletion } from "./base.ts";
import type { Checksums, SecretFacts, TokenFacts, TokenValue } from "./facts.ts";

/**
 * `unread`: only the value can tell. `unknown`: there is no base. `advanced`: descends from the base. `replaced`:
 * an older record, one that does not descend from the base, or another pool's.
 */
export type TokenRelation = "same" | "advanced" | "replaced" | "unknown" | "unread";

type Present = Extract<TokenFacts, { state: "present" }>;

/** A token gets its pool with its first write: until then there is no other pool to be confused with. */
export function isOtherPool(token: { readonly pool: string }, base: Base | undefined): boolean {
  return base !== undefined && base.pool !== "" && base.pool !== token.pool;
}

export function tokenRelation(
  token: Present,
  base: Base | undefined,
  mappedChecksum: string | undefined,
): TokenRelation {
  if (base === undefined) return "unknown";
  if (isOtherPool(token, base)) return "replaced";
  if (token.kind === "foreign") {
    // Objects of other programs have no generation and no ancestry: their content is all there is.
    if (base.generation > 0) return "replaced";
    if (mappedChecksum === undefined) return "unread";
    return mappedChecksum === base.checksum ? "same" : "advanced";
  }
  if (token.generation === base.generation && token.digest === base.digest) return "same";
  if (base.generation === 0) return "advanced";
  if (token.value === undefined) return "unread";
  return descends(token.value, token.generation, base) ? "advanced" : "replaced";
}

function descends(value: TokenValue, generation: number, base: Base): boolean {
  if (value.clock === "proven") return true;
  if (base.dot === undefined) return generation > base.generation;
  return (value.clock.get(base.dot.device) ?? 0) >= base.dot.counter;
}

export type SecretRelation = "absent" | "same" | "changed" | "unknown";

export function secretRelation(secret: SecretFacts, base: Base | undefined): SecretRelation {
  if (secret.state === "absent") return "absent";
  if (base === undefined) return "unknown";
  if (isDeletion(base)) return "changed";
  const untouched = secret.uid === base.secretUID && secret.resourceVersion === base.secretResourceVersion;
  return untouched || secret.checksum === base.checksum ? "same" : "changed";
}

export type Mapped =
  | { readonly ok: true; readonly keys: readonly SecretKey[]; readonly checksum: string }
  | { readonly ok: false; readonly missing: string };

/** What of the token's value belongs into the Secret: all of it, or the keys that `spec.keys` names. */
export function mapKeys(value: TokenValue, mapping: HsmSecretSpec["keys"], checksums: Checksums): Mapped {
  if (mapping === undefined) return { ok: true, keys: value.keys, checksum: value.checksum };
  const found = new Map(value.keys);
  const keys: SecretKey[] = [];
  for (const { from, to } of mapping) {
    const bytes = found.get(from);
    if (bytes === undefined) return { ok: false, missing: from };
    keys.push([to, bytes]);
  }
  const sorted = inByteOrder(keys);
  return { ok: true, keys: sorted, checksum: checksums.of(sorted) };
}

/** Keys of a Secret are ASCII, so the order of characters is that of bytes. */
export function inByteOrder(keys: readonly SecretKey[]): readonly SecretKey[] {
  return keys.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
