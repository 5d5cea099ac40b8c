import { createHash, createHmac, randomBytes } from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { loadAddon } from "../../src/addon.ts";

const addon = loadAddon();
const fastest = addon.sha256Implementations()[0] ?? "";
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const openssl = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

afterEach(() => {
  addon.sha256Implementation(fastest);
});

describe.each(addon.sha256Implementations())("SHA-256 by %s", (name) => {
  it("agrees with OpenSSL on random messages: whole, hex, in random pieces, as a batch and with a key", () => {
    expect(addon.sha256Implementation(name)).toBe(name);
    const bytes = fc.uint8Array({ maxLength: 700 });
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 9 }), fc.integer({ min: 1, max: 130 }), (messages, step) => {
        const expected = messages.map(openssl);
        expect(messages.map((each) => hex(addon.sha256(each)))).toEqual(expected);
        expect(messages.map((each) => addon.sha256Hex(each))).toEqual(expected);
        expect(hex(addon.sha256Batch(messages))).toBe(expected.join(""));
        const hash = new addon.Sha256();
        const all = Buffer.concat(messages);
        for (let at = 0; at < all.length; at += step) hash.update(all.subarray(at, at + step));
        expect(hex(hash.digest())).toBe(openssl(all));
        const [key = new Uint8Array(0)] = messages;
        expect(hex(addon.hmacSha256(key, all))).toBe(createHmac("sha256", key).update(all).digest("hex"));
      }),
      { numRuns: 200 },
    );
  });

  it("agrees with OpenSSL off the event loop, from nothing to several slices", async () => {
    addon.sha256Implementation(name);
    for (const length of [0, 1, 65_536, 65_537, 524_288, 524_289, 1_500_001]) {
      const data = randomBytes(length);
      const expected = openssl(data);
      expect(hex(await addon.sha256Async(data))).toBe(expected);
      const hash = new addon.Sha256();
      await hash.updateAsync(data.subarray(0, length >> 1));
      await hash.updateAsync(data.subarray(length >> 1));
      expect(hex(hash.digest())).toBe(expected);
    }
  });
});

describe("SHA-256 off the event loop", () => {
  it("lets the event loop turn while it hashes, and the batch too", async () => {
    const data = randomBytes(8 << 20);
    const messages = Array.from({ length: 5_000 }, (_, i) => data.subarray(i * 64, i * 64 + 100));
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 0);
    const digest = await addon.sha256Async(data);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    expect(hex(digest)).toBe(openssl(data));
    expect(hex(await addon.sha256BatchAsync(messages))).toBe(messages.map(openssl).join(""));
  });

  it("rejects when the data is transferred away meanwhile", async () => {
    const data = new Uint8Array(4 << 20);
    const pending = addon.sha256Async(data);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    await expect(pending).rejects.toThrow("The data was resized or transferred while it was hashed.");
  });

  it("refuses other calls on a hash that is being fed", async () => {
    const data = randomBytes(1 << 20);
    const hash = new addon.Sha256();
    const pending = hash.updateAsync(data);
    expect(() => hash.update(data)).toThrow("The hash is busy");
    expect(() => hash.digest()).toThrow("The hash is busy");
    await pending;
    expect(hex(hash.digest())).toBe(openssl(data));
  });
});

describe("a batch", () => {
  it("survives a getter that takes an earlier message's memory away", () => {
    const first = new Uint8Array(1000);
    const messages = [first, new Uint8Array(3)];
    Object.defineProperty(messages, 1, {
      get: () => {
        structuredClone(first.buffer, { transfer: [first.buffer] });
        return new Uint8Array(3);
      },
    });
    expect(hex(addon.sha256Batch(messages))).toBe(openssl(new Uint8Array(0)) + openssl(new Uint8Array(3)));
  });

  it("throws a TypeError for what is no array of Uint8Array, and an unknown implementation is refused", () => {
    const batch = addon.sha256Batch as (messages: unknown) => Uint8Array;
    for (const bad of [undefined, {}, "text", [1], [new Uint8Array(1), "x"], [new Uint16Array(1)]]) {
      expect(() => batch(bad)).toThrow(TypeError);
    }
    expect(() => addon.sha256Implementation("md5")).toThrow(RangeError);
    expect(hex(addon.sha256Batch([]))).toBe("");
  });
});
