import { createHash, createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { checksum, checksumIdOf } from "./checksum.ts";
import type { SecretKey } from "./record.ts";

const KEY = Buffer.alloc(32, 7);
const of = (values: Record<string, string>): SecretKey[] =>
  Object.entries(values).map(([name, value]) => [name, Buffer.from(value)]);

describe("the checksum", () => {
  it("is HMAC-SHA-256 over lengths, names and values as the layout says", () => {
    const message = Buffer.from(
      "0000000000000001610000000000000002626300000000000000016200000000000000017a",
      "hex",
    );
    const id = createHash("sha256").update(KEY).digest("hex").slice(0, 8);
    const mac = createHmac("sha256", KEY).update(message).digest("hex");
    expect(checksum(of({ a: "bc", b: "z" }), KEY)).toBe(`hmac-sha256:${id}:${mac}`);
  });

  it("does not depend on the order, and does on where a name ends", () => {
    expect(checksum(of({ b: "2", a: "1" }), KEY)).toBe(checksum(of({ a: "1", b: "2" }), KEY));
    expect(checksum(of({ a: "bc" }), KEY)).not.toBe(checksum(of({ ab: "c" }), KEY));
    expect(checksum([], KEY)).not.toBe(checksum(of({ a: "" }), KEY));
  });

  it("under another key is another one, and says so by its id", () => {
    const mine = checksum(of({ a: "1" }), KEY);
    const other = checksum(of({ a: "1" }), Buffer.alloc(32, 8));
    expect(mine).not.toBe(other);
    expect(checksumIdOf(mine)).not.toBe(checksumIdOf(other));
    expect(checksumIdOf("sha256:00")).toBeUndefined();
  });
});
