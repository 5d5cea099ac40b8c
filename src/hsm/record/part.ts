/**
 * Parts: a record is one object on the token or, where it is larger than an object may be, a few.
 *
 * Each part carries the whole record's SHA-256, its own number and how many there are, because tokens have been
 * seen to return a part of a value, or another object's value, with CKR_OK.
 */

import { encode } from "cborg";
import { HsmError } from "../errors.ts";
import { CborError, CborReader } from "./cbor-reader.ts";
import { DIGEST_BYTES } from "./digest.ts";

/** Array head, version, digest with head, two numbers up to 65535 with head, head of the bytes (rounded up). */
export const PART_OVERHEAD = 48;
/** Far above what any token holds; bounds what a crafted object can make us do. */
export const MAX_PARTS = 4096;

export interface Part {
  /** 64 hex digits: of the whole record. */
  readonly digest: string;
  /** From 1. */
  readonly index: number;
  readonly count: number;
  /** A view, not a copy. */
  readonly bytes: Uint8Array;
}

/** How many objects a record of that many bytes takes on a token with this part size (bytes of one value). */
export function partCount(recordBytes: number, partSize: number): number {
  return Math.max(1, Math.ceil(recordBytes / payloadOf(partSize)));
}

function payloadOf(partSize: number): number {
  const payload = partSize - PART_OVERHEAD;
  if (payload < 1) {
    throw new HsmError("BadInput", `A part size of ${partSize} bytes leaves no room for data.`, {
      operation: "encode",
    });
  }
  return payload;
}

/** The values of the objects that hold this record, in order. `digest` is all 64 hex digits. */
export function encodeParts(record: Uint8Array, digest: string, partSize: number): Uint8Array[] {
  const count = partCount(record.length, partSize);
  if (count > MAX_PARTS) {
    throw new HsmError(
      "TooLarge",
      `This secret would take ${count} objects; at most ${MAX_PARTS} are possible.`,
      {
        operation: "encode",
      },
    );
  }
  const payload = payloadOf(partSize);
  const digestBytes = Buffer.from(digest, "hex");
  return Array.from({ length: count }, (_, i) =>
    encode([1, digestBytes, i + 1, count, record.subarray(i * payload, (i + 1) * payload)]),
  );
}

/** `"cut short"`: the beginning of a part, as a write leaves it that the power cut. `undefined`: anything else. */
export function decodePart(bytes: Uint8Array): Part | "cut short" | undefined {
  try {
    const r = new CborReader(bytes);
    if (r.array() !== 5 || r.uint() !== 1) return undefined;
    const digest = r.bytes();
    const index = r.uint();
    const count = r.uint();
    const content = r.bytes();
    r.end();
    if (digest.length !== DIGEST_BYTES || index < 1 || index > count || count > MAX_PARTS) return undefined;
    return { digest: digest.toString("hex"), index, count, bytes: content };
  } catch (cause) {
    if (cause instanceof CborError) return cause.cutShort ? "cut short" : undefined;
    throw cause;
  }
}
