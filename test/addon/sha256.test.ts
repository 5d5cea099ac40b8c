import { createHash, createHmac, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { loadAddon } from "../../src/addon.ts";

const addon = loadAddon();
const LENGTHS = [0, 1, 55, 56, 63, 64, 65, 119, 128, 1000, 65_537];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("SHA-256 of the addon", () => {
  it.each(LENGTHS)("agrees with OpenSSL on %i bytes, whole and in pieces", (length) => {
    const data = randomBytes(length);
    const expected = createHash("sha256").update(data).digest("hex");
    expect(hex(addon.sha256(data))).toBe(expected);
    const hash = new addon.Sha256();
    for (let at = 0; at < length; at += 100) hash.update(data.subarray(at, at + 100));
    expect(hex(hash.digest())).toBe(expected);
  });

  it.each([0, 20, 64, 65, 200])("HMAC agrees with OpenSSL on a key of %i bytes", (length) => {
    const key = randomBytes(length);
    const data = randomBytes(333);
    expect(hex(addon.hmacSha256(key, data))).toBe(createHmac("sha256", key).update(data).digest("hex"));
  });

  it("hashes the part of a larger buffer that a view shows", () => {
    const data = randomBytes(100);
    const view = new Uint8Array(data.buffer, data.byteOffset + 10, 20);
    expect(hex(addon.sha256(view))).toBe(createHash("sha256").update(data.subarray(10, 30)).digest("hex"));
  });

  it("throws a TypeError for anything but a Uint8Array", () => {
    const hash = addon.sha256 as (data: unknown) => Uint8Array;
    for (const bad of [undefined, null, "text", 1, new Uint16Array(2), new DataView(new ArrayBuffer(2))]) {
      expect(() => hash(bad)).toThrow(TypeError);
    }
  });
});
