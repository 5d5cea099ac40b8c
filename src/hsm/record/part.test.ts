import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatApplication, parseApplication } from "./application.ts";
import { recordDigest } from "./digest.ts";
import { decodePart, encodeParts, MAX_PARTS } from "./part.ts";

describe("parts", () => {
  it("never pass the part size, and together are the record", () => {
    const sizes = fc.record({
      record: fc.integer({ min: 1, max: 20_000 }),
      part: fc.integer({ min: 64, max: 4000 }),
    });
    fc.assert(
      fc.property(sizes, ({ record, part }) => {
        const bytes = randomBytes(record);
        const digest = recordDigest(bytes);
        const parts = encodeParts(bytes, digest, part);
        const decoded = parts.map(decodePart);
        expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(part);
        const chunks = decoded.map((one, i) => {
          if (one === undefined || one === "cut short") throw new Error("a part does not decode");
          expect(one).toMatchObject({ digest, index: i + 1, count: parts.length });
          return one.bytes;
        });
        expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      }),
    );
  });

  it("that are cut anywhere are recognised as cut", () => {
    const bytes = randomBytes(300);
    const [part = new Uint8Array()] = encodeParts(bytes, recordDigest(bytes), 4000);
    for (let end = 0; end < part.length; end += 1)
      expect(decodePart(part.subarray(0, end))).toBe("cut short");
    expect(decodePart(Buffer.concat([part, Buffer.of(0)]))).toBeUndefined();
    expect(decodePart(Buffer.from("rot"))).toBeUndefined();
  });

  it("are refused where the part size leaves no room or the number is absurd", () => {
    expect(() => encodeParts(randomBytes(10), "0".repeat(64), 40)).toThrow(/no room/);
    expect(() => encodeParts(new Uint8Array(17 * (MAX_PARTS + 1)), "0".repeat(64), 64)).toThrow(/objects/);
  });
});

describe("CKA_APPLICATION", () => {
  const name = {
    generation: 12,
    index: 2,
    count: 3,
    digest: "0123456789abcdef0123456789abcdef",
    state: "dead",
  } as const;

  it("says generation, part, digest and state, in under 200 bytes", () => {
    const text = formatApplication(name);
    expect(text).toBe("hsm-secrets-operator/1 g=12 p=2/3 d=0123456789abcdef0123456789abcdef s=dead");
    expect(parseApplication(text)).toEqual(name);
    expect(
      formatApplication({ ...name, generation: Number.MAX_SAFE_INTEGER, count: 4096 }).length,
    ).toBeLessThan(200);
  });

  it.each([
    "hsm-secrets-operator/1 ",
    "hsm-secrets-operator/1 g=0 p=1/1 d=0123456789abcdef0123456789abcdef s=live",
    "hsm-secrets-operator/1 g=1 p=2/1 d=0123456789abcdef0123456789abcdef s=live",
    "hsm-secrets-operator/1 g=1 p=1/9999 d=0123456789abcdef0123456789abcdef s=live",
    "hsm-secrets-operator/1 g=9999999999999999 p=1/1 d=0123456789abcdef0123456789abcdef s=live",
    "hsm-secrets-operator/1 g=1 p=1/1 d=0123456789ABCDEF0123456789abcdef s=live",
    "hsm-secrets-operator/1 g=1 p=1/1 d=0123456789abcdef0123456789abcdef s=live x",
  ])("is invalid: %s", (text) => {
    expect(parseApplication(text)).toBe("invalid");
  });

  it.each([null, "", "hsm-secrets-operator", "hsm-secrets-operator/2 g=1", "openssl"])(
    "is not ours: %s",
    (text) => {
      expect(parseApplication(text)).toBeUndefined();
    },
  );
});
