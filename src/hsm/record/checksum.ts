/**
 * Checksums for status, events and the API: `hmac-sha256:<key id>:<hex>`.
 *
 * Keyed, because a plain hash would let whoever reads a status guess short secrets; with lengths, because
 * `{"a": "bc"}` is not `{"ab": "c"}`.
 */

import { createHmac, hash } from "node:crypto";
import type { SecretKey } from "./record.ts";

/** Bytes of the key. */
export const CHECKSUM_KEY_BYTES = 32;
const FORMAT = /^hmac-sha256:([0-9a-f]{8}):[0-9a-f]{64}$/;

/** First 8 hex digits of the key's SHA-256: tells checksums of another key apart without telling the key. */
export function checksumKeyId(key: Uint8Array): string {
  return hash("sha256", key, "hex").slice(0, 8);
}

/** HMAC-SHA-256 over, for each key in byte order: length, name, length, value (lengths as 8 bytes, big-endian). */
export function checksum(keys: readonly SecretKey[], key: Uint8Array): string {
  const named = keys.map(([name, value]) => [Buffer.from(name, "utf8"), value] as const);
  named.sort(([a], [b]) => Buffer.compare(a, b));
  const hmac = createHmac("sha256", key);
  for (const [name, value] of named) {
    hmac.update(length(name)).update(name).update(length(value)).update(value);
  }
  return `hmac-sha256:${checksumKeyId(key)}:${hmac.digest("hex")}`;
}

function length(bytes: Uint8Array): Buffer {
  const buffer = Buffer.allocUnsafe(8);
  buffer.writeBigUInt64BE(BigInt(bytes.length));
  return buffer;
}

/** The key id in a checksum; `undefined` when the text is none. One with another id is an unknown base. */
export function checksumIdOf(text: string): string | undefined {
  return FORMAT.exec(text)?.[1];
}
