import { decode, encode, rfc8949EncodeOptions } from "cborg";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isHsmError } from "../errors.ts";
import { decodeRecord, encodeRecord, MAX_SECRET_BYTES } from "./codec.ts";
import type { SecretRecord } from "./record.ts";

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const key = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "tls.crt", "data", "a", "aa", "A"),
  fc.stringMatching(/^[-_a-zA-Z0-9]{1,40}$/),
);
const count = fc.oneof(
  fc.integer({ min: 1, max: 70_000 }),
  fc.maxSafeNat().map((n) => Math.max(1, n)),
);
const meta = fc.record(
  {
    description: text,
    labels: fc.dictionary(fc.oneof(text, fc.constant("__proto__")), text, { minKeys: 1 }),
    format: text,
    dataType: text,
    source: text,
    createdAt: text,
  },
  { requiredKeys: [] },
);

const record: fc.Arbitrary<SecretRecord> = fc
  .record({
    pool: bytes(16),
    path: fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}(\/[a-z][a-z0-9.-]{0,10}){0,3}$/),
    generation: count,
    device: text,
    counter: count,
    others: fc.array(fc.tuple(text, count), { maxLength: 4 }),
    writer: text,
    time: text,
    nonce: bytes(16),
    deleted: fc.boolean(),
    meta: fc.option(meta, { nil: undefined }),
    keys: fc.uniqueArray(fc.tuple(key, fc.uint8Array({ maxLength: 300 })), { selector: ([name]) => name }),
  })
  .map(({ device, counter, others, deleted, keys, meta, ...rest }) => ({
    v: 1 as const,
    ...rest,
    dot: [device, counter] as const,
    clock: new Map([...others, [device, counter]]),
    deleted,
    keys: deleted ? [] : [...keys].sort(([a], [b]) => (a < b ? -1 : 1)),
    ...(meta === undefined || Object.keys(meta).length === 0 ? {} : { meta }),
  }));

const plain = (value: SecretRecord) => ({
  ...value,
  pool: Buffer.from(value.pool),
  nonce: Buffer.from(value.nonce),
  keys: value.keys.map(([name, v]) => [name, Buffer.from(v)]),
  clock: [...value.clock].sort(),
  ...(value.meta === undefined
    ? {}
    : {
        meta: {
          ...value.meta,
          ...(value.meta.labels ? { labels: Object.entries(value.meta.labels).sort() } : {}),
        },
      }),
});

function refuses(mutated: Uint8Array): boolean {
  try {
    decodeRecord(mutated);
    return false;
  } catch (error) {
    expect(isHsmError(error, "Corrupt")).toBe(true);
    return true;
  }
}

/** The general decoder: strict, and what it decodes must encode again to the same bytes. */
function oracle(input: Uint8Array): unknown {
  try {
    const value = decode(input, {
      strict: true,
      useMaps: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
    });
    return Buffer.from(encode(value, rfc8949EncodeOptions)).equals(input) ? value : undefined;
  } catch {
    return undefined;
  }
}

describe("the record's bytes", () => {
  it("decode to the record that they were made from, and encode again to themselves", () => {
    fc.assert(
      fc.property(record, (value) => {
        const encoded = encodeRecord(value);
        const decoded = decodeRecord(encoded);
        expect(plain(decoded)).toEqual(plain(value));
        expect(Buffer.from(encodeRecord(decoded)).equals(encoded)).toBe(true);
      }),
    );
  });

  it("are deterministic CBOR to a general decoder as well", () => {
    fc.assert(
      fc.property(record, (value) => {
        expect(oracle(encodeRecord(value))).toBeInstanceOf(Map);
      }),
    );
  });

  it("changed anywhere are refused, or are the canonical bytes of another record", () => {
    const change = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }), kind: fc.nat(2) });
    fc.assert(
      fc.property(record, fc.array(change, { minLength: 1, maxLength: 3 }), (value, changes) => {
        let mutated = Buffer.from(encodeRecord(value));
        for (const { at, value: byte, kind } of changes) {
          const i = at % mutated.length;
          if (kind === 0) mutated[i] = byte;
          else if (kind === 1) mutated = Buffer.concat([mutated.subarray(0, i), mutated.subarray(i + 1)]);
          else mutated = Buffer.concat([mutated.subarray(0, i), Buffer.of(byte), mutated.subarray(i)]);
        }
        if (refuses(mutated)) return;
        expect(oracle(mutated)).toBeInstanceOf(Map);
        expect(Buffer.from(encodeRecord(decodeRecord(mutated))).equals(mutated)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("are refused when they are any bytes, however deep they nest", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (input) => {
        expect(refuses(input)).toBe(true);
      }),
    );
    for (const opener of [0x81, 0xa1, 0xd8]) expect(refuses(new Uint8Array(100_000).fill(opener))).toBe(true);
  });
});

describe("what CBOR allows and a record does not", () => {
  const good: SecretRecord = {
    v: 1,
    pool: new Uint8Array(16),
    path: "secrets/shop/db",
    generation: 1,
    dot: ["A", 1],
    clock: new Map([["A", 1]]),
    writer: "w",
    time: "t",
    nonce: new Uint8Array(16),
    deleted: false,
    keys: [["k", Buffer.from("v")]],
  };
  const hex = Buffer.from(encodeRecord(good)).toString("hex");
  const swap = (from: string, to: string) => {
    expect(hex.split(from)).toHaveLength(2);
    return Buffer.from(hex.replace(from, to), "hex");
  };

  it.each([
    ["a number with a long head", "617601", "61761801"],
    ["a float", "617601", "6176f93c00"],
    ["another version", "617601", "617602"],
    [
      "a text that is not UTF-8",
      "6677726974657261 77".replaceAll(" ", ""),
      "667772697465726 1ff".replaceAll(" ", ""),
    ],
    [
      "an indefinite text",
      "64 74696d65 6174".replaceAll(" ", ""),
      "64 74696d65 7f6174ff".replaceAll(" ", ""),
    ],
    ["a field twice", "617601", "617601617601"],
  ])("%s", (_, from, to) => {
    expect(refuses(swap(from, to))).toBe(true);
  });

  it("bytes behind the end", () => {
    expect(refuses(Buffer.from(`${hex}00`, "hex"))).toBe(true);
  });

  it.each<[string, Partial<SecretRecord>]>([
    [
      "keys out of order",
      {
        keys: [
          ["b", new Uint8Array()],
          ["a", new Uint8Array()],
        ],
      },
    ],
    [
      "a key twice",
      {
        keys: [
          ["a", new Uint8Array()],
          ["a", new Uint8Array()],
        ],
      },
    ],
    ["a key that no Secret may have", { keys: [["a/b", new Uint8Array()]] }],
    ["a tombstone with keys", { deleted: true }],
    ["generation 0", { generation: 0 }],
    ["a clock without the dot", { clock: new Map([["A", 2]]) }],
    ["a bad path", { path: "a/../b" }],
    ["a short nonce", { nonce: new Uint8Array(15) }],
    ["a lone surrogate", { writer: "\ud800" }],
  ])("is not written: %s", (_, change) => {
    expect(() => encodeRecord({ ...good, ...change })).toThrow(/cannot be written/);
  });

  it("is TooLarge past the size of a Secret, and fits just below", () => {
    const of = (size: number): SecretRecord => ({ ...good, keys: [["k", new Uint8Array(size)]] });
    expect(encodeRecord(of(MAX_SECRET_BYTES)).length).toBeGreaterThan(MAX_SECRET_BYTES);
    expect(() => encodeRecord(of(MAX_SECRET_BYTES + 1))).toThrow(
      expect.objectContaining({ class: "TooLarge" }),
    );
  });
});
