/**
 * Which key the checksums are made with. The operator makes one once, keeps it in a Secret of its namespace and in
 * `_pool` on each token, restores it from there, and never replaces it silently. The decision is here and pure;
 * the manager reads and writes the Secret.
 */

import { CHECKSUM_KEY_BYTES } from "../hsm/record/checksum.ts";
import { sameBytes } from "./identity.ts";

/** What the tokens say. A device that could not be asked may hold the key: it counts as unknown, never as none. */
export interface TokenKey {
  readonly device: string;
  readonly answer:
    | { readonly kind: "key"; readonly key: Uint8Array }
    | { readonly kind: "none" }
    | { readonly kind: "unknown"; readonly message: string };
}

export type ChecksumKeyDecision =
  /** The Secret has it. Tokens of the devices in `differing` keep another one: they are read, never written. */
  | { readonly kind: "use"; readonly key: Uint8Array; readonly differing: readonly string[] }
  /** No Secret, but the tokens agree on a key: write the Secret with it, then use it. */
  | { readonly kind: "restore"; readonly key: Uint8Array }
  /** Nobody has one: make one, write the Secret (create, never replace), then use it. */
  | { readonly kind: "create" }
  /** A device that is away may hold the key: ask again later. */
  | { readonly kind: "wait"; readonly message: string }
  /** A person has to decide. */
  | { readonly kind: "stuck"; readonly message: string };

export function decideChecksumKey(
  secret: Uint8Array | undefined,
  tokens: readonly TokenKey[],
): ChecksumKeyDecision {
  const kept = tokens.flatMap(({ device, answer }) =>
    answer.kind === "key" ? [{ device, key: answer.key }] : [],
  );
  if (secret !== undefined) {
    if (secret.length !== CHECKSUM_KEY_BYTES) {
      const message = `The Secret with the key of checksums does not hold ${CHECKSUM_KEY_BYTES} bytes; restore it, or delete it to have the key taken from a token.`;
      return { kind: "stuck", message };
    }
    const differing = kept.filter(({ key }) => !sameBytes(key, secret)).map(({ device }) => device);
    return { kind: "use", key: secret, differing };
  }
  const [first, ...others] = kept;
  if (first !== undefined) {
    const other = others.find(({ key }) => !sameBytes(key, first.key));
    if (other === undefined) return { kind: "restore", key: first.key };
    const message = `The Secret with the key of checksums is missing, and the tokens of ${first.device} and ${other.device} keep different ones.`;
    return { kind: "stuck", message };
  }
  const away = tokens.find(({ answer }) => answer.kind === "unknown");
  if (away !== undefined) {
    const message = `The Secret with the key of checksums is missing, and the device ${away.device}, which may keep it, cannot be asked.`;
    return { kind: "wait", message };
  }
  return { kind: "create" };
}
