/** ObjectToken over the addon: a token of a PKCS#11 library, open and logged in. */
import {
  loadAddon,
  type NativeDeadlines,
  type NativeEventListener,
  type NativeSlot,
  type NativeToken,
} from "../../addon.ts";
import { HsmError } from "../errors.ts";
import type {
  CallOptions,
  ObjectOperation,
  ObjectToken,
  OperationOutcome,
  PinState,
  ReadOutcome,
  TokenEvent,
  TokenInfo,
  TokenListing,
  TokenState,
  VerificationMode,
} from "../token.ts";
import { type DeviceProfile, type DeviceType, detectDeviceType, profileOf } from "./device-types.ts";
import { defaultLockDirectory, defaultStateDirectory, preparePrivateDirectory } from "./directories.ts";
import { ListingCache } from "./listing-cache.ts";
import { isNativeError, toHsmError } from "./native-error.ts";
import { listTokens, type TokenSlot } from "./slots.ts";

export type TokenSelector =
  | { readonly serialNumber: string }
  | { readonly label: string }
  | { readonly slot: number };

export interface Pkcs11TokenOptions {
  /** Path of the PKCS#11 library. */
  readonly modulePath: string;
  readonly select: TokenSelector;
  /** Wiped by this call, whatever comes of it: hand in a copy that nothing else needs. */
  readonly pin: Uint8Array;
  /** What device it is; guessed from what the token says of itself when absent, at the cost of one more look. */
  readonly deviceType?: DeviceType | undefined;
  /** These three override what the device type says. */
  readonly partSize?: number | undefined;
  readonly objectCapacity?: number | undefined;
  readonly verification?: VerificationMode | undefined;
  /** Holds a lock file a token, so that a second process stays off it. A folder of the user's when absent. */
  readonly lockDirectory?: string | undefined;
  /** Holds a salted hash of each PIN that the token refused. A folder of the user's when absent. */
  readonly stateDirectory?: string | undefined;
  /** Logs in even when the token says that a wrong PIN would now lock it. */
  readonly allowFinalTry?: boolean | undefined;
  /** Milliseconds, for each class of operations; by the device type where absent. */
  readonly deadlines?: Partial<NativeDeadlines> | undefined;
}

const QUEUE_LIMIT = 4096;

/**
 * Opens a token: finds it, takes its lock, logs in once, searches it once.
 * Rejects with an HsmError: BadInput (no library, no such option), TokenGone (no such token), Busy (in use),
 * AuthFailed or PinLocked (never after a second try of the same PIN), Timeout.
 */
export async function openPkcs11Token(options: Pkcs11TokenOptions): Promise<ObjectToken> {
  try {
    const lockDirectory = options.lockDirectory ?? defaultLockDirectory();
    const stateDirectory = options.stateDirectory ?? defaultStateDirectory();
    await preparePrivateDirectory(lockDirectory);
    await preparePrivateDirectory(stateDirectory);
    const profile = profileOf(options.deviceType ?? (await detect(options)));
    return await Pkcs11Token.open({ ...options, lockDirectory, stateDirectory }, profile);
  } finally {
    options.pin.fill(0);
  }
}

async function detect(options: Pkcs11TokenOptions): Promise<DeviceType> {
  const { select } = options;
  const fits = (slot: TokenSlot): boolean =>
    "serialNumber" in select
      ? slot.serialNumber === select.serialNumber
      : "label" in select
        ? slot.label === select.label
        : slot.slot === select.slot;
  const found = (await listTokens(options.modulePath)).find(fits);
  // A token that is not there: opening it says so, with its own sentence.
  return found === undefined ? "Generic" : detectDeviceType(found);
}

class Pkcs11Token implements ObjectToken {
  readonly #native: NativeToken;
  readonly #cache = new ListingCache();
  readonly #listeners = new Set<(event: TokenEvent) => void>();
  readonly #profile: DeviceProfile;
  #slot: NativeSlot | undefined;
  #pinState: PinState = "OK";
  #writes = 0;
  /** While the token is away, hung or closed, only the addon knows what to answer. */
  #reachable = true;
  #closing: Promise<void> | undefined;

  static async open(
    options: Pkcs11TokenOptions & { lockDirectory: string; stateDirectory: string },
    profile: DeviceProfile,
  ): Promise<Pkcs11Token> {
    const token = new Pkcs11Token(options, profile);
    try {
      const opened = await token.#native.open();
      token.#slot = opened.token;
      token.#cache.take(opened.listing);
      return token;
    } catch (error) {
      throw toHsmError(error, "open");
    }
  }

  private constructor(
    options: Pkcs11TokenOptions & { lockDirectory: string; stateDirectory: string },
    profile: DeviceProfile,
  ) {
    const partSize = options.partSize ?? profile.partSize;
    this.#profile = {
      partSize,
      maxValueLength: Math.max(profile.maxValueLength, partSize),
      objectCapacity: options.objectCapacity ?? profile.objectCapacity,
      verification: options.verification ?? profile.verification,
      deadlines: profile.deadlines,
    };
    // Weak: a token that was forgotten without close is collected, and closed by that.
    const self = new WeakRef(this);
    try {
      this.#native = new (loadAddon().Token)(
        {
          modulePath: options.modulePath,
          select: options.select,
          pin: options.pin,
          refreshReinitializes: this.#profile.verification === "refresh",
          objectCapacity: this.#profile.objectCapacity,
          maxValueLength: this.#profile.maxValueLength,
          lockDirectory: options.lockDirectory,
          stateDirectory: options.stateDirectory,
          allowFinalTry: options.allowFinalTry ?? false,
          deadlines: { ...profile.deadlines, ...options.deadlines },
          queueLimit: QUEUE_LIMIT,
        },
        (kind, version, text) => {
          const token = self.deref();
          if (token !== undefined) token.#onNativeEvent(kind, version, text);
        },
      );
    } catch (error) {
      throw toHsmError(error, "open");
    }
  }

  info(): TokenInfo {
    const slot = this.#slot;
    return {
      serialNumber: slot?.serialNumber ?? "",
      label: slot?.label ?? "",
      manufacturer: slot?.manufacturer ?? "",
      model: slot?.model ?? "",
      library: slot?.library ?? "",
      verification: this.#profile.verification,
      partSize: this.#profile.partSize,
      objectCapacity: this.#profile.objectCapacity,
      pinState: this.#pinState,
      mock: false,
    };
  }

  async list(options?: CallOptions): Promise<TokenListing> {
    options?.signal?.throwIfAborted();
    if (this.#writes === 0 && this.#reachable) {
      const known = this.#cache.at(this.#native.version());
      if (known !== undefined) return known;
    }
    return this.#cache.take(await this.#call("list", options, () => this.#native.list()));
  }

  async read(ids: readonly number[], options?: CallOptions): Promise<readonly ReadOutcome[]> {
    const values = await this.#call("read", options, () => this.#native.read(ids));
    const outcomes: ReadOutcome[] = [];
    for (let i = 0; i < ids.length; i += 1) {
      const id = ids[i] as number;
      const value = values[i];
      outcomes.push(
        value instanceof Uint8Array ? { id, value } : { id, error: this.#failure(value, "read") },
      );
    }
    return outcomes;
  }

  async apply(
    operations: readonly ObjectOperation[],
    options?: CallOptions,
  ): Promise<readonly OperationOutcome[]> {
    this.#writes += 1;
    try {
      const applied = await this.#call("apply", options, () => this.#native.apply(operations));
      this.#cache.follow(operations, applied);
      return applied.outcomes.map((outcome): OperationOutcome => {
        if (typeof outcome === "number") return { kind: "created", id: outcome };
        if (outcome === null) return { kind: "destroyed" };
        if (outcome === undefined) return { kind: "skipped" };
        return { kind: "failed", error: this.#failure(outcome, "apply") };
      });
    } finally {
      this.#writes -= 1;
    }
  }

  async refresh(options?: CallOptions): Promise<TokenListing> {
    return this.#cache.take(await this.#call("refresh", options, () => this.#native.refresh()));
  }

  random(length: number, options?: CallOptions): Promise<Uint8Array> {
    return this.#call("random", options, () => this.#native.random(length));
  }

  onEvent(listener: (event: TokenEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#reachable = false;
    this.#closing ??= this.#native.close().catch((error: unknown) => {
      throw toHsmError(error, "close");
    });
    return this.#closing;
  }

  async #call<T>(operation: string, options: CallOptions | undefined, start: () => Promise<T>): Promise<T> {
    const signal = options?.signal;
    if (signal === undefined) {
      try {
        return await start();
      } catch (error) {
        throw this.#failure(error, operation);
      }
    }
    signal.throwIfAborted();
    let withdrawn = false;
    let onAbort: (() => void) | undefined;
    try {
      const promise = start();
      const ticket = this.#native.ticket();
      onAbort = () => {
        withdrawn = this.#native.withdraw(ticket);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      return await promise;
    } catch (error) {
      if (withdrawn) throw signal.reason;
      throw this.#failure(error, operation);
    } finally {
      if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
    }
  }

  #failure(thrown: unknown, operation: string): HsmError {
    const error = isNativeError(thrown)
      ? toHsmError(thrown, operation)
      : thrown === undefined
        ? new HsmError("Internal", "The addon gave no answer.", { operation })
        : toHsmError(thrown, operation);
    if (error.class === "AuthFailed") this.#pinState = "Wrong";
    if (error.class === "PinLocked") this.#pinState = "Locked";
    return error;
  }

  #onNativeEvent(...[kind, version, text]: Parameters<NativeEventListener>): void {
    if (kind === "gone" || kind === "hung") this.#reachable = false;
    if (kind === "back") this.#reachable = this.#closing === undefined;
    const event: TokenEvent =
      kind === "changed"
        ? { kind, version }
        : kind === "gone"
          ? { kind, reason: text }
          : kind === "hung"
            ? { kind, operation: text }
            : kind === "state"
              ? { kind, state: text as TokenState }
              : { kind };
    for (const listener of [...this.#listeners]) listener(event);
  }
}
