/** What a plan is made from (facts) and what it says (actions, rest). All plain values: a plan touches nothing. */

import type { HsmSecretSpec } from "../../crd/hsmsecret.ts";
import type { HsmSecretStatus } from "../../crd/hsmsecret-status.ts";
import type { OwnerReference } from "../../kube/object.ts";
import type { Observation, RecordMeta, SecretKey, StoreRead } from "../../pool/store.ts";

/** The HSMSecret, as far as it matters. */
export interface OwnerFacts {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
}

export type SecretFacts =
  | { readonly state: "absent" }
  | {
      readonly state: "present";
      readonly uid: string;
      readonly resourceVersion: string;
      readonly type: string;
      readonly deleting: boolean;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations: Readonly<Record<string, string>>;
      readonly ownerReferences: readonly OwnerReference[];
      /** In byte order of the names. */
      readonly keys: readonly SecretKey[];
      readonly checksum: string;
    };

/** The value at the path, read or just written and proven. */
export interface TokenValue {
  readonly keys: readonly SecretKey[];
  /** Of all keys, before any mapping. */
  readonly checksum: string;
  readonly meta: RecordMeta | undefined;
  readonly dot: readonly [device: string, counter: number];
  /** What the record descends from; `proven` when this very reconcile wrote it over what it had planned for. */
  readonly clock: ReadonlyMap<string, number> | "proven";
}

export type TokenFacts =
  | Extract<Observation, { state: "absent" | "failed" }>
  | (Extract<Observation, { state: "present" }> & {
      /** Absent until a plan asks for it: a listing costs nothing, a read does. */
      readonly value?: TokenValue | undefined;
    });

export interface Facts {
  readonly owner: OwnerFacts;
  readonly spec: HsmSecretSpec;
  readonly status: HsmSecretStatus;
  readonly path: string;
  readonly secret: SecretFacts;
  readonly token: TokenFacts;
  /** True once the token itself was read: a listing follows what others write there with some delay. */
  readonly looked?: boolean | undefined;
  /** An earlier generation that a plan asked for. */
  readonly earlier?: { readonly generation: number; readonly read: StoreRead } | undefined;
  readonly pathAllowed: boolean;
  /** Elder HSMSecrets (`namespace/name`) that write the same path, or the same Secret. */
  readonly rivals: { readonly path?: string | undefined; readonly secret?: string | undefined };
  /** Milliseconds since 1970, for time stamps. */
  readonly now: number;
}

/** What the plan must be able to compute; pure, as the operator's key does not change while it runs. */
export interface Checksums {
  of(keys: readonly SecretKey[]): string;
  /** False for a checksum made with another key: it says neither equal nor changed. */
  knows(checksum: string): boolean;
}

/** Metadata that a Secret of ours carries. `null` removes. */
export interface Marks {
  readonly ownerReferences: readonly OwnerReference[];
  readonly labels: Readonly<Record<string, string | null>>;
  readonly annotations: Readonly<Record<string, string | null>>;
}

/** The Secret that the plan saw; another version there fails the action and the plan is made anew. */
export interface Seen {
  readonly uid: string;
  readonly resourceVersion: string;
}

export type Action =
  | { readonly kind: "addFinalizer" }
  | { readonly kind: "removeFinalizer" }
  | {
      readonly kind: "createSecret";
      readonly type: string;
      readonly keys: readonly SecretKey[];
      readonly marks: Marks;
    }
  | {
      readonly kind: "writeSecret";
      readonly seen: Seen;
      readonly keys: readonly SecretKey[];
      /** Names that the Secret has and shall not have. */
      readonly removed: readonly string[];
      readonly marks: Marks;
    }
  | { readonly kind: "markSecret"; readonly seen: Seen; readonly marks: Marks; readonly why: string }
  | { readonly kind: "deleteSecret"; readonly seen: Seen }
  | {
      readonly kind: "writeToken";
      /** `null` deletes. */
      readonly keys: readonly SecretKey[] | null;
      readonly meta: RecordMeta | undefined;
      readonly expect: { readonly generation: number; readonly digest: string } | "absent";
      readonly why: "Changed" | "Loser" | "Winner" | "Resolved" | "Rollback" | "Deleted";
    };

export type Reason =
  | "InSync"
  | "PathNotAllowed"
  | "InvalidSpec"
  | "HSMDataMissing"
  | "SecretExists"
  | "BothChanged"
  | "DeviceUnavailable"
  | "ReadFailed"
  | "WriteFailed"
  | "TooLarge"
  | "PathTooLong"
  | "NoSpace"
  | "AuthFailed"
  | "PinLocked"
  | "TokenReplaced"
  | "Deleted"
  | "Waiting"
  | "AutoSyncOff";

export interface PlannedEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

export type Plan =
  /** Read the value at the path (or an earlier generation of it), then plan again. */
  | { readonly kind: "read"; readonly generation?: number | undefined }
  /** Carry these out in order, then plan again with what came of them. */
  | { readonly kind: "act"; readonly actions: readonly Action[]; readonly events: readonly PlannedEvent[] }
  /** Nothing is left to do now. */
  | {
      readonly kind: "rest";
      /** `undefined`: leave it. */
      readonly status: HsmSecretStatus | undefined;
      readonly events: readonly PlannedEvent[];
      /** Annotations of the HSMSecret to set, or with `null` to remove, once the status is written. */
      readonly annotations: Readonly<Record<string, string | null>>;
      readonly requeue: "interval" | "backoff" | "never";
    };
