/**
 * Framing of the log: each record is `length (4 bytes, little endian), CRC-32 of the payload (4 bytes), payload`.
 *
 * A process that is killed while it writes leaves a torn last frame: fewer bytes than its length says, or (on a file
 * system that gave out the room before the bytes) a tail of zeros. Both are cut. A frame that does not fit its checksum
 * although whole frames could follow is damage, not a torn write: cutting there would drop acknowledged writes
 * silently, so it is reported.
 */

import { crc32 } from "node:zlib";

export const FRAME_HEADER = 8;

/** Longest payload: a request body (3 MiB) with room for the record around it. */
export const MAX_PAYLOAD = 64 * 1024 * 1024;

export function encodeFrame(payload: string): Buffer {
  const length = Buffer.byteLength(payload);
  const frame = Buffer.allocUnsafe(FRAME_HEADER + length);
  frame.write(payload, FRAME_HEADER, "utf8");
  frame.writeUInt32LE(length, 0);
  frame.writeUInt32LE(crc32(frame.subarray(FRAME_HEADER)), 4);
  return frame;
}

export interface FrameScan {
  /** Bytes from the start that are whole, valid frames. */
  readonly end: number;
  /** What follows them: nothing, a torn write, or damage. */
  readonly tail: "clean" | "torn" | "damaged";
}

/** Calls `onPayload` for each whole frame of `bytes`, in order. */
export function scanFrames(bytes: Buffer, onPayload: (payload: Buffer) => void): FrameScan {
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < FRAME_HEADER) return { end: at, tail: "torn" };
    const length = bytes.readUInt32LE(at);
    const next = at + FRAME_HEADER + length;
    if (next > bytes.length) return { end: at, tail: "torn" };
    const payload = bytes.subarray(at + FRAME_HEADER, next);
    if (length === 0 || length > MAX_PAYLOAD || crc32(payload) !== bytes.readUInt32LE(at + 4)) {
      const torn = next === bytes.length || bytes.subarray(at).every((byte) => byte === 0);
      return { end: at, tail: torn ? "torn" : "damaged" };
    }
    onPayload(payload);
    at = next;
  }
  return { end: at, tail: "clean" };
}
