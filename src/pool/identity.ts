/** Whose a token is: ours, nobody's yet, or another pool's. A pure decision; device.ts observes, writes.ts acts. */

import type { PoolIdentity } from "../hsm/client.ts";

export type TokenOwnership =
  /** Has no `_pool` record: it gets one at its first write. */
  | { readonly kind: "unclaimed" }
  | { readonly kind: "ours"; readonly id: string }
  /** Is read and never written. */
  | { readonly kind: "foreign"; readonly id: string; readonly message: string };

export interface OwnershipFacts {
  /** The pool that the device is known to belong to; absent until its first token was seen. */
  readonly known: string | undefined;
  /** What the token says. */
  readonly token: PoolIdentity | undefined;
  /** The operator's key of the checksums. */
  readonly checksumKey: Uint8Array;
}

export function decideOwnership(facts: OwnershipFacts): TokenOwnership {
  const { known, token } = facts;
  if (token === undefined) return { kind: "unclaimed" };
  if (known !== undefined && token.id !== known) {
    const message = `The token belongs to another pool (${token.id}); it is read and never written.`;
    return { kind: "foreign", id: token.id, message };
  }
  if (!sameBytes(token.checksumKey, facts.checksumKey)) {
    const message =
      "The token keeps another key of checksums than this operator; it is read and never written.";
    return { kind: "foreign", id: token.id, message };
  }
  return { kind: "ours", id: token.id };
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.length).equals(b);
}
