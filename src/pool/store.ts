/**
 * SecretStore: the devices of the operator as one store, addressed by path. What the controllers and the REST API
 * see of the hardware; neither knows PKCS#11, agents or addresses.
 */

import type { HsmErrorClass } from "../hsm/errors.ts";
import type { RecordMeta, SecretKey, SecretRecord } from "../hsm/record/record.ts";

/** The words of this interface, for those above it, who may not know the layer below. */
export type { HsmErrorClass } from "../hsm/errors.ts";
export type { RecordMeta, SecretKey, SecretRecord } from "../hsm/record/record.ts";

/** Where a path is kept. `device` is an HSMDevice's name; without it, the store's only or first device. */
export interface Location {
  readonly path: string;
  readonly device?: string | undefined;
}

/** What the listing of the device says, without a value read. `failed` never counts as absent. */
export type Observation =
  | { readonly state: "absent"; readonly pool: string }
  | {
      readonly state: "present";
      readonly kind: "record" | "foreign";
      readonly pool: string;
      readonly generation: number;
      /** 32 hex digits; empty for foreign objects. */
      readonly digest: string;
      readonly deleted: boolean;
      readonly conflict: boolean;
    }
  | { readonly state: "failed"; readonly errorClass: HsmErrorClass; readonly message: string };

export type StoreRead =
  | { readonly state: "absent"; readonly pool: string }
  | {
      readonly state: "present";
      readonly kind: "record" | "foreign";
      readonly pool: string;
      readonly record: SecretRecord;
      readonly digest: string;
      readonly conflicts: readonly { readonly generation: number; readonly digest: string }[];
      /** Checksum of the keys (design: `hmac-sha256:<key id>:<hex>`). */
      readonly checksum: string;
    }
  | { readonly state: "failed"; readonly errorClass: HsmErrorClass; readonly message: string };

export interface WriteIntent extends Location {
  /** `null` deletes: a tombstone is written. */
  readonly keys: readonly SecretKey[] | null;
  readonly meta?: RecordMeta | undefined;
  /** What the plan saw; anything else at the path is a conflict and changes nothing. */
  readonly expect: { readonly generation: number; readonly digest: string } | "absent";
  /** Who writes, for the record and the audit log. */
  readonly writer: string;
  readonly historyLimit?: number | undefined;
}

export type WriteOutcome =
  | {
      readonly status: "written";
      readonly pool: string;
      readonly generation: number;
      readonly digest: string;
      readonly dot: readonly [device: string, counter: number];
      /** Checksum of the bytes that were proven on the token; that of no keys for a tombstone. */
      readonly checksum: string;
    }
  | { readonly status: "conflict" }
  | { readonly status: "failed"; readonly errorClass: HsmErrorClass; readonly message: string };

export interface SecretStore {
  /** From the cached listing; waits for the first one. */
  observe(location: Location, signal?: AbortSignal): Promise<Observation>;
  /** One read on the token serves all callers that ask for the same record at once. */
  read(location: Location & { readonly generation?: number }, signal?: AbortSignal): Promise<StoreRead>;
  write(intent: WriteIntent, signal?: AbortSignal): Promise<WriteOutcome>;
  /** Checksum of any keys, under the operator's key. */
  checksum(keys: readonly SecretKey[]): string;
  /** True when the checksum was made with the operator's present key; others are an unknown base. */
  knowsChecksum(checksum: string): boolean;
  /** Called with the paths whose listing changed, and with `null` when all must be looked at again. */
  onChange(listener: (paths: readonly string[] | null, device: string) => void): () => void;
  close(): Promise<void>;
}
