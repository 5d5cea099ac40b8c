/** The record: one secret at one generation. Its bytes are deterministic CBOR (codec.ts). */

/** [serial number of the device that accepted the write first, that device's count at this path]. */
export type Dot = readonly [device: string, counter: number];

export interface RecordMeta {
  readonly description?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly format?: string | undefined;
  readonly dataType?: string | undefined;
  readonly source?: string | undefined;
  /** RFC 3339. */
  readonly createdAt?: string | undefined;
}

/** Name and bytes. A list and not an object: `__proto__` is a lawful key of a Secret. */
export type SecretKey = readonly [name: string, value: Uint8Array];

export interface SecretRecord {
  readonly v: 1;
  /** The pool's id, 16 bytes. */
  readonly pool: Uint8Array;
  readonly path: string;
  readonly generation: number;
  readonly dot: Dot;
  /** The highest count of each device that this record descends from, its own dot included. */
  readonly clock: ReadonlyMap<string, number>;
  /** Who wrote it, e.g. `manager/default/demo` or `test-hsm`. */
  readonly writer: string;
  /** RFC 3339; for people, never for decisions. */
  readonly time: string;
  /** 16 random bytes: the digest tells nothing about a guessable secret, and a retry finds its own write. */
  readonly nonce: Uint8Array;
  /** A tombstone: has no keys. */
  readonly deleted: boolean;
  readonly meta?: RecordMeta | undefined;
  /** In byte order of the names. */
  readonly keys: readonly SecretKey[];
}

/** The reserved path of the record that names the pool. */
export const POOL_PATH = "_pool";
