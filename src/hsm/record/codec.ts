/**
 * Bytes of a record: deterministic CBOR (RFC 8949, 4.2.1), described for other programs in docs/token-layout.md.
 *
 * A record is valid when it decodes strictly and would encode again to the same bytes. Both directions check the
 * same rules, so that nothing is written that could not be read.
 */

import { encode, rfc8949EncodeOptions } from "cborg";
import { isKey } from "../../path/key.ts";
import { isPath } from "../../path/path.ts";
import { HsmError } from "../errors.ts";
import { CborError, CborReader, encodedAscii } from "./cbor-reader.ts";
import { type Dot, POOL_PATH, type RecordMeta, type SecretKey, type SecretRecord } from "./record.ts";

/** Most bytes of all values of a secret together: the limit of a Kubernetes Secret. */
export const MAX_SECRET_BYTES = 1024 * 1024;
/** Values, names and everything else: bounds what a decoder is made to look at. */
export const MAX_RECORD_BYTES = 2 * MAX_SECRET_BYTES;
const MAX_COUNTER = Number.MAX_SAFE_INTEGER;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** In the order of their encoded names: shorter first, then by bytes. */
const META_FIELDS = ["format", "labels", "source", "dataType", "createdAt", "description"] as const;

const F = {
  v: encodedAscii("v"),
  dot: encodedAscii("dot"),
  keys: encodedAscii("keys"),
  meta: encodedAscii("meta"),
  path: encodedAscii("path"),
  pool: encodedAscii("pool"),
  time: encodedAscii("time"),
  clock: encodedAscii("clock"),
  nonce: encodedAscii("nonce"),
  writer: encodedAscii("writer"),
  deleted: encodedAscii("deleted"),
  generation: encodedAscii("generation"),
};
const META = META_FIELDS.map((name) => [name, encodedAscii(name)] as const);

/** Throws `BadInput` (or `TooLarge`) when the record breaks a rule of the layout. */
export function encodeRecord(record: SecretRecord): Uint8Array {
  const fault = faultOf(record) ?? faultOfTexts(record);
  if (fault !== undefined) {
    throw new HsmError(fault.class, `This secret cannot be written: ${fault.message}.`, {
      operation: "encode",
    });
  }
  const map = new Map<string, unknown>([
    ["v", 1],
    ["dot", [record.dot[0], record.dot[1]]],
    ["keys", record.keys.map(([name, value]) => [name, value])],
    ["path", record.path],
    ["pool", record.pool],
    ["time", record.time],
    ["clock", record.clock],
    ["nonce", record.nonce],
    ["writer", record.writer],
    ["generation", record.generation],
  ]);
  if (record.deleted) map.set("deleted", true);
  const meta = metaMap(record.meta);
  if (meta.size > 0) map.set("meta", meta);
  const bytes = encode(map, rfc8949EncodeOptions);
  if (bytes.length > MAX_RECORD_BYTES) {
    throw new HsmError("TooLarge", `A record may take at most ${MAX_RECORD_BYTES} bytes.`, {
      operation: "encode",
    });
  }
  return bytes;
}

function metaMap(meta: RecordMeta | undefined): Map<string, unknown> {
  const map = new Map<string, unknown>();
  for (const field of META_FIELDS) {
    const value = meta?.[field];
    if (value === undefined) continue;
    if (typeof value === "string") map.set(field, value);
    else if (Object.keys(value).length > 0) map.set(field, new Map(Object.entries(value)));
  }
  return map;
}

/** Values of the result are views of `bytes`, not copies. Throws `Corrupt`. */
export function decodeRecord(bytes: Uint8Array): SecretRecord {
  try {
    return readRecord(bytes);
  } catch (cause) {
    if (cause instanceof CborError) {
      throw new HsmError("Corrupt", `This is not a valid record: ${cause.message}.`, { operation: "decode" });
    }
    throw cause;
  }
}

/** Without `meta` and `deleted`. */
const REQUIRED_FIELDS = 10;

function readRecord(bytes: Uint8Array): SecretRecord {
  if (bytes.length > MAX_RECORD_BYTES) throw new CborError("it is too long");
  const r = new CborReader(bytes);
  const fields = r.map();
  let optional = 0;
  field(r, F.v);
  if (r.uint() !== 1) throw new CborError("its version is not 1");
  field(r, F.dot);
  if (r.array() !== 2) throw new CborError("its dot is not a pair");
  const dot: Dot = [r.text(), r.uint()];
  field(r, F.keys);
  const keys = readKeys(r);
  let meta: RecordMeta | undefined;
  if (r.take(F.meta)) {
    optional += 1;
    meta = readMeta(r);
  }
  field(r, F.path);
  const path = r.text();
  field(r, F.pool);
  const pool = r.bytes();
  field(r, F.time);
  const time = r.text();
  field(r, F.clock);
  const clock = readMap(r, () => r.uint());
  field(r, F.nonce);
  const nonce = r.bytes();
  field(r, F.writer);
  const writer = r.text();
  let deleted = false;
  if (r.take(F.deleted)) {
    optional += 1;
    deleted = r.true();
  }
  field(r, F.generation);
  const generation = r.uint();
  if (fields !== REQUIRED_FIELDS + optional) throw new CborError("it has more fields than it should");
  r.end();
  const record: SecretRecord = {
    v: 1,
    pool,
    path,
    generation,
    dot,
    clock,
    writer,
    time,
    nonce,
    deleted,
    ...(meta === undefined ? {} : { meta }),
    keys,
  };
  const fault = faultOf(record);
  if (fault !== undefined) throw new CborError(fault.message);
  return record;
}

function field(r: CborReader, name: Uint8Array): void {
  if (!r.take(name)) throw new CborError("a field is missing, unknown, twice there or out of order");
}

function readKeys(r: CborReader): SecretKey[] {
  const keys: SecretKey[] = [];
  for (let count = r.array(); count > 0; count -= 1) {
    if (r.array() !== 2) throw new CborError("a key is not a pair");
    keys.push([r.text(), r.bytes()]);
  }
  return keys;
}

function readMeta(r: CborReader): RecordMeta {
  const meta: { -readonly [K in keyof RecordMeta]: RecordMeta[K] } = {};
  let left = r.map();
  if (left === 0) throw new CborError("its meta is empty");
  for (const [name, encoded] of META) {
    if (left === 0 || !r.take(encoded)) continue;
    left -= 1;
    if (name === "labels") {
      const labels = readMap(r, () => r.text());
      if (labels.size === 0) throw new CborError("its labels are empty");
      // Without a prototype, `__proto__` is a label like any other.
      meta.labels = Object.assign(Object.create(null), Object.fromEntries(labels));
    } else meta[name] = r.text();
  }
  if (left !== 0) throw new CborError("its meta holds an unknown field, or one out of order");
  return meta;
}

/** A map from text, in the order of the encoded keys. */
function readMap<V>(r: CborReader, value: () => V): Map<string, V> {
  const map = new Map<string, V>();
  let before: string | undefined;
  for (let count = r.map(); count > 0; count -= 1) {
    const key = r.text();
    if (before !== undefined && compareEncoded(before, key) >= 0) {
      throw new CborError("the keys of a map are not in order");
    }
    map.set(key, value());
    before = key;
  }
  return map;
}

/** RFC 8949, 4.2.1: by the bytes of the encoded keys; for texts that is shorter first, then by bytes. */
function compareEncoded(a: string, b: string): number {
  const bytesA = Buffer.from(a, "utf8");
  const bytesB = Buffer.from(b, "utf8");
  return bytesA.length - bytesB.length || Buffer.compare(bytesA, bytesB);
}

interface Fault {
  readonly class: "BadInput" | "TooLarge";
  readonly message: string;
}

const bad = (message: string): Fault => ({ class: "BadInput", message });
const isCount = (n: number) => Number.isSafeInteger(n) && n >= 1 && n <= MAX_COUNTER;

/** What breaks a rule of the layout in a record of the right types, as the end of a sentence. */
function faultOf(record: SecretRecord): Fault | undefined {
  if (!isPath(record.path) && record.path !== POOL_PATH)
    return bad("its path does not follow the grammar of paths");
  if (record.pool.length !== 16) return bad("its pool id is not 16 bytes long");
  if (record.nonce.length !== 16) return bad("its nonce is not 16 bytes long");
  if (!isCount(record.generation)) return bad("its generation is not a positive integer below 2^53");
  const [device, counter] = record.dot;
  if (!isCount(counter) || record.clock.get(device) !== counter) {
    return bad("its clock does not hold its own dot");
  }
  for (const count of record.clock.values())
    if (!isCount(count)) return bad("a count of its clock is not positive");
  if (record.deleted && record.keys.length > 0) return bad("a tombstone has no keys");
  return faultOfKeys(record.keys);
}

function faultOfKeys(keys: readonly SecretKey[]): Fault | undefined {
  let size = 0;
  let before = "";
  for (const [name, value] of keys) {
    if (!isKey(name)) return bad("the name of a key is not one that Kubernetes allows in a Secret");
    // Names are ASCII: the order of strings is the order of bytes.
    if (name <= before) return bad("its keys are not in byte order, or one is there twice");
    before = name;
    size += value.length;
  }
  if (size <= MAX_SECRET_BYTES) return undefined;
  return { class: "TooLarge", message: `it holds more than ${MAX_SECRET_BYTES} bytes` };
}

/** Only when encoding: what was decoded from UTF-8 has none. */
function faultOfTexts(record: SecretRecord): Fault | undefined {
  return hasLoneSurrogate(record) ? bad("one of its texts is not well-formed Unicode") : undefined;
}

function hasLoneSurrogate(record: SecretRecord): boolean {
  if (LONE_SURROGATE.test(record.writer) || LONE_SURROGATE.test(record.time)) return true;
  for (const device of record.clock.keys()) if (LONE_SURROGATE.test(device)) return true;
  for (const field of META_FIELDS) {
    const value = record.meta?.[field];
    if (value === undefined) continue;
    if (typeof value === "string" ? LONE_SURROGATE.test(value) : hasLoneSurrogateIn(value)) return true;
  }
  return false;
}

function hasLoneSurrogateIn(labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).some(([k, v]) => LONE_SURROGATE.test(k) || LONE_SURROGATE.test(v));
}
