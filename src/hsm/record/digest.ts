/** The digest that names a record: SHA-256 of its bytes. */

import { hash } from "node:crypto";

export const DIGEST_BYTES = 32;
/** Hex digits of the digest that stand in CKA_APPLICATION, listings and status. */
export const SHORT_DIGEST_DIGITS = 32;

/** All 64 hex digits. */
export function recordDigest(record: Uint8Array): string {
  return hash("sha256", record, "hex");
}

/** The first 32 hex digits, by which listings name a record. */
export function shortDigest(digest: string): string {
  return digest.slice(0, SHORT_DIGEST_DIGITS);
}
