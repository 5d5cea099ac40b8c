import { describe, expect, it } from "vitest";
import { decideChecksumKey, type TokenKey } from "./checksum-key.ts";

const A = new Uint8Array(32).fill(1);
const B = new Uint8Array(32).fill(2);
const key = (device: string, bytes: Uint8Array): TokenKey => ({
  device,
  answer: { kind: "key", key: bytes },
});
const none = (device: string): TokenKey => ({ device, answer: { kind: "none" } });
const unknown = (device: string): TokenKey => ({ device, answer: { kind: "unknown", message: "away" } });

describe("the key of the checksums", () => {
  it.each<[string, Uint8Array | undefined, readonly TokenKey[], object]>([
    [
      "of the Secret is used, whether or not the tokens answer",
      A,
      [key("x", A), none("y"), unknown("z")],
      { kind: "use", key: A, differing: [] },
    ],
    [
      "of the Secret stays, and tokens with another are named",
      A,
      [key("x", B), key("y", A)],
      { kind: "use", key: A, differing: ["x"] },
    ],
    [
      "is restored from the tokens when the Secret is lost",
      undefined,
      [key("x", A), key("y", A), unknown("z")],
      { kind: "restore", key: A },
    ],
    [
      "is nobody's to choose when the tokens differ",
      undefined,
      [key("x", A), key("y", B)],
      { kind: "stuck" },
    ],
    [
      "is not made while a device that may keep it is away",
      undefined,
      [none("x"), unknown("y")],
      { kind: "wait" },
    ],
    ["is made when no token has one", undefined, [none("x")], { kind: "create" }],
    ["is made when there is no device", undefined, [], { kind: "create" }],
    ["of a wrong length is a person's to mend", new Uint8Array(5), [none("x")], { kind: "stuck" }],
  ])("%s", (_name, secret, tokens, decision) => {
    expect(decideChecksumKey(secret, tokens)).toMatchObject(decision);
  });
});
