/**
 * HsmClient: one device as a store of records (design of the layout: docs/token-layout.md).
 *
 * Three implementations behind one conformance suite (test/hsm-client/): pkcs11 (a token through the addon),
 * mock (in memory, says loudly that it is one) and agent (over mutual TLS, src/rpc/client.ts).
 * The client compares and stores bytes. Whoever takes a write (manager, test-hsm) builds the record, with
 * record/build.ts.
 */

import type { HsmError } from "./errors.ts";
import type { SecretRecord } from "./record/record.ts";
import type { CallOptions, TokenInfo } from "./token.ts";

/** What a listing says of a path: enough to tell whether anything changed, and costs no value read. */
export interface ListEntry {
  readonly path: string;
  /** `record`: written by this program. `foreign`: per-key or plain objects, generation 0. */
  readonly kind: "record" | "foreign";
  /** Of the record that is served: the highest. 0 for foreign objects. */
  readonly generation: number;
  /** First 32 hex digits of the served record's SHA-256. Empty for foreign objects. */
  readonly digest: string;
  /** `dead` is a tombstone: present, not absent. */
  readonly state: "live" | "dead";
  /** Objects that this path takes on the token, history included. */
  readonly objects: number;
  /** Complete records at this path, history included. */
  readonly records: number;
  /** True when two records are known of which neither descends from the other. */
  readonly conflict: boolean;
}

/** Something on the token that is skipped and that a person should know of. Never holds a value. */
export interface ListProblem {
  readonly label: string;
  readonly reason:
    | "Incomplete"
    | "Corrupt"
    | "WrongPath"
    | "UnreadableName"
    | "AmbiguousKey"
    | "GenerationJump";
  /** One sentence. */
  readonly message: string;
}

export interface Listing {
  readonly entries: readonly ListEntry[];
  readonly problems: readonly ListProblem[];
  /** Opaque; equal cursors mean equal listings. Feeds `changes`. */
  readonly version: string;
  readonly objectsUsed: number;
  readonly objectCapacity: number;
}

export interface ListOptions extends CallOptions {
  /** Whole segments: `secrets/shop` lists `secrets/shop` and `secrets/shop/db`, never `secrets/shop-x`. */
  readonly prefix?: string | undefined;
  /** Also plain objects that other programs made. */
  readonly foreign?: boolean | undefined;
}

export interface ReadOptions extends CallOptions {
  /** A generation of the history instead of the one that is served. */
  readonly generation?: number | undefined;
  /** Also take plain objects that other programs made for this path. */
  readonly foreign?: boolean | undefined;
}

/** A read that did not fail. A read that failed rejects with an HsmError and is neither of these. */
export type ReadResult =
  | { readonly state: "absent" }
  | {
      /** Also for a tombstone: see `record.deleted`. */
      readonly state: "present";
      readonly kind: "record" | "foreign";
      readonly record: SecretRecord;
      /** First 32 hex digits of the record's SHA-256; empty for foreign objects. */
      readonly digest: string;
      /** The other records from which no other descends; not empty means a conflict. */
      readonly conflicts: readonly { readonly generation: number; readonly digest: string }[];
      readonly problems: readonly ListProblem[];
    };

export interface HistoryEntry {
  readonly generation: number;
  readonly digest: string;
  readonly state: "live" | "dead";
  /** RFC 3339. */
  readonly time: string;
  readonly writer: string;
  /** True for the record that a read serves. */
  readonly served: boolean;
}

/** What must be at the path for a write to happen; anything else there is a `conflict` and changes nothing. */
export type Expectation =
  | { readonly kind: "any" }
  /** No record (foreign objects do not count: generation 0). */
  | { readonly kind: "absent" }
  | { readonly kind: "generation"; readonly generation: number; readonly digest?: string | undefined };

export interface WriteRequest {
  readonly path: string;
  /** An encoded record (record/codec.ts); a tombstone deletes. Its nonce makes retries safe. */
  readonly record: Uint8Array;
  readonly expect: Expectation;
  /** Records to keep behind the new one; the device's default when absent. A tombstone keeps none. */
  readonly historyLimit?: number | undefined;
}

export type WriteResult =
  /** Proven on the token. Also the answer to a retry whose record is already there. */
  | { readonly status: "written"; readonly generation: number; readonly digest: string }
  | { readonly status: "conflict"; readonly current: ListEntry | undefined }
  | { readonly status: "failed"; readonly error: HsmError };

export interface PoolIdentity {
  /** 32 hex digits. */
  readonly id: string;
  /** Serial numbers of the devices of the pool. */
  readonly members: readonly string[];
  /** The key of the checksums (HMAC-SHA-256), 32 bytes. */
  readonly checksumKey: Uint8Array;
}

export type DeviceEvent =
  /** Paths whose listing entry changed since the event before. */
  | { readonly kind: "changed"; readonly version: string; readonly paths: readonly string[] }
  | { readonly kind: "gone"; readonly reason: string }
  | { readonly kind: "back"; readonly version: string };

export interface HsmClient {
  info(options?: CallOptions): Promise<TokenInfo>;
  /** The pool that this token belongs to; `undefined` when the token has none yet (a failure rejects). */
  pool(options?: CallOptions): Promise<PoolIdentity | undefined>;
  /** Gives a token without a pool its `_pool` record; with the same id: updates members. Another id: `Conflict`. */
  setPool(pool: PoolIdentity, options?: CallOptions): Promise<void>;
  list(options?: ListOptions): Promise<Listing>;
  read(path: string, options?: ReadOptions): Promise<ReadResult>;
  /**
   * One result a request, in order. Requests that wait together are proven together. A token without a pool takes
   * no secret (`failed`, `BadInput`): call `setPool` first. A record of another pool fails with `Conflict`.
   */
  write(requests: readonly WriteRequest[], options?: CallOptions): Promise<readonly WriteResult[]>;
  /** Newest first. */
  history(path: string, options?: CallOptions): Promise<readonly HistoryEntry[]>;
  /** Looks at the token anew, so that what other programs wrote is seen. Costs a whole scan. */
  refresh(options?: CallOptions): Promise<Listing>;
  /** Ends when the signal aborts. The first event comes with the first change after the call. */
  changes(signal: AbortSignal): AsyncIterable<DeviceEvent>;
  close(): Promise<void>;
}
