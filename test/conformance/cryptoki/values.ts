/** Byte values as recordings write them: `hex`, or `len` and `sha256` with a rule to make the bytes again. */
import { createHash } from "node:crypto";
import type { JsonObject } from "./recording.ts";

const repeated = new Map<string, Buffer>();

/** The bytes of a recorded value; undefined for a NULL pointer. */
export function bytesOf(value: JsonObject): Buffer | undefined {
  if (value["null"] === true) return undefined;
  if (typeof value["hex"] === "string") return Buffer.from(value["hex"], "hex");
  const length = value["len"];
  const digest = value["sha256"];
  if (typeof length !== "number" || typeof digest !== "string") {
    throw new Error(`a value has neither hex nor len and sha256: ${JSON.stringify(value)}`);
  }
  const generator = value["gen"];
  const bytes = typeof generator === "number" ? generated(generator, length) : repeatedLetter(length, digest);
  if (sha256(bytes) !== digest) throw new Error(`the bytes made for ${digest} have another digest`);
  return bytes;
}

/** Byte k is (seed*31 + k*7 + floor(k/256)) mod 256. */
function generated(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let k = 0; k < length; k += 1) bytes[k] = (seed * 31 + k * 7 + Math.floor(k / 256)) % 256;
  return bytes;
}

/** Long labels and applications repeat one byte; its digest tells which. */
function repeatedLetter(length: number, digest: string): Buffer {
  const known = repeated.get(digest);
  if (known !== undefined) return known;
  for (let letter = 0; letter < 256; letter += 1) {
    const bytes = Buffer.alloc(length, letter);
    if (sha256(bytes) === digest) {
      repeated.set(digest, bytes);
      return bytes;
    }
  }
  throw new Error(`no repeated byte of length ${length} has the digest ${digest}`);
}

/** A value in recorded form: up to 64 bytes as hex, else length and digest. */
export function recordedForm(hex: string): JsonObject {
  const bytes = Buffer.from(hex, "hex");
  return bytes.length <= 64 ? { hex } : { len: bytes.length, sha256: sha256(bytes) };
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
