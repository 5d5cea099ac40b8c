/** Names from `generateName`. */

import { randomBytes } from "node:crypto";

const SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
const MAX_GENERATED_BASE = 63 - SUFFIX_LENGTH;

/** `prefix` and five random letters, cut to what a name may hold. */
export function generateName(prefix: string): string {
  const base = prefix.slice(0, MAX_GENERATED_BASE);
  let suffix = "";
  // 27 letters: bytes from 243 on would favour some of them.
  while (suffix.length < SUFFIX_LENGTH) {
    for (const byte of randomBytes(SUFFIX_LENGTH)) {
      if (byte < 243 && suffix.length < SUFFIX_LENGTH) suffix += SUFFIX_ALPHABET.charAt(byte % 27);
    }
  }
  return base + suffix;
}
