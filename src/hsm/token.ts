/**
 * The port between the record layer and a token that stores data objects (CKO_DATA).
 *
 * Two implementations: the addon's token (pkcs11/) and a token in memory (mock/). Everything that decides what to
 * write stands above this port; what stands below only carries calls out, in order, one batch at a time.
 */

/** One data object as the object index knows it. Nothing here costs a value read. */
export interface TokenObject {
  /** Stable for as long as the object exists, also across `refresh`; never used again for another object. */
  readonly id: number;
  /** CKA_LABEL; `null` when the bytes are not UTF-8 or hold a NUL: such an object can be counted, not named. */
  readonly label: string | null;
  /** CKA_APPLICATION without trailing NULs; `null` when not UTF-8. */
  readonly application: string | null;
  /** CKA_PRIVATE. */
  readonly private: boolean;
}

export interface TokenListing {
  readonly objects: readonly TokenObject[];
  /** Objects of other classes (keys, certificates): they take room from the same capacity. */
  readonly otherObjects: number;
  /** Grows with every change of the index; equal versions mean equal listings. */
  readonly version: number;
}

export type ReadOutcome =
  | { readonly id: number; readonly value: Uint8Array }
  | { readonly id: number; readonly error: import("./errors.ts").HsmError };

export type ObjectOperation =
  | {
      readonly kind: "create";
      readonly label: string;
      readonly application: string;
      readonly value: Uint8Array;
    }
  | { readonly kind: "destroy"; readonly id: number };

export type OperationOutcome =
  | { readonly kind: "created"; readonly id: number }
  | { readonly kind: "destroyed" }
  | { readonly kind: "failed"; readonly error: import("./errors.ts").HsmError }
  /** Not tried, because an operation before it in the batch failed. */
  | { readonly kind: "skipped" };

export type PinState = "OK" | "CountLow" | "FinalTry" | "Locked" | "Wrong";

/** How a write is proven (design: on OpenSC only a fresh C_Initialize, login and read proves one). */
export type VerificationMode = "refresh" | "readback";

export interface TokenInfo {
  readonly serialNumber: string;
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  /** E.g. `SoftHSM 2.6`: description and version of the library. */
  readonly library: string;
  readonly verification: VerificationMode;
  /** Most bytes of a value in one object that this token keeps whole. */
  readonly partSize: number;
  /** Most objects of all classes that this token shows. */
  readonly objectCapacity: number;
  readonly pinState: PinState;
  /** True for the in-memory mock, which says so wherever it is shown. */
  readonly mock: boolean;
}

export type TokenEvent =
  | { readonly kind: "changed"; readonly version: number }
  | { readonly kind: "gone"; readonly reason: string }
  | { readonly kind: "back" }
  | { readonly kind: "hung"; readonly operation: string }
  /** Beside the others, which say what callers must do; this says what a person sees. */
  | { readonly kind: "state"; readonly state: TokenState };

/**
 * `absent`: the library shows no such token. `present`: it does, and is not logged in. `lost`: was logged in, and is
 * looked for until it is back. `hung`: a call does not return; for good. `locked`: its PIN is.
 */
export type TokenState = "absent" | "present" | "loggedIn" | "lost" | "hung" | "locked";

export interface CallOptions {
  /** Cancels before the call starts; a call that reached the device runs to its end or its deadline. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A logged-in token. Calls are carried out in the order in which they are made, one at a time; every call rejects
 * with an `HsmError` at its deadline at the latest.
 */
export interface ObjectToken {
  info(): TokenInfo;
  /** The object index: built by one search when opened, kept by our own writes. Costs no call on the device. */
  list(options?: CallOptions): Promise<TokenListing>;
  /** Reads values by handle; one crossing for the batch; one outcome an id, in the order of `ids`. */
  read(ids: readonly number[], options?: CallOptions): Promise<readonly ReadOutcome[]>;
  /**
   * Carries out the operations in order and stops at the first that fails; one outcome an operation. `created`
   * means that the token said so, not that the object is proven: see `refresh`.
   */
  apply(operations: readonly ObjectOperation[], options?: CallOptions): Promise<readonly OperationOutcome[]>;
  /**
   * Drops whatever the library caches, and searches again. What it lists and what is read after it was really
   * on the token. An object that vanished has lost its id.
   */
  refresh(options?: CallOptions): Promise<TokenListing>;
  /** Random bytes of the token's own generator. */
  random(length: number, options?: CallOptions): Promise<Uint8Array>;
  /** Returns the function that takes the listener off again. */
  onEvent(listener: (event: TokenEvent) => void): () => void;
  /** Logs out, closes, wipes the PIN. Calls still queued reject with `TokenGone`. Idempotent. */
  close(): Promise<void>;
}
