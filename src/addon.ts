/**
 * The native addon (native/addon, binding.gyp): the only file that loads it, and its types.
 *
 * Nothing crosses as a pointer: bytes are copied both ways, numbers are checked. Promises reject with a
 * {@link NativeError} (a plain object); wrong argument types throw a TypeError at once. No call blocks the event
 * loop or takes a thread of libuv's pool: each token has a thread of its own.
 */
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Why a call failed; `class` is one of HsmErrorClass (src/hsm/errors.ts). */
export interface NativeError {
  readonly class: string;
  readonly operation: string;
  /** One sentence; never holds a value or a PIN. */
  readonly message: string;
  readonly ckrName?: string;
  readonly ckrCode?: number;
}

/** A slot that holds a token. */
export interface NativeSlot {
  /** CK_SLOT_ID; absent when it is too large for a JavaScript number. */
  readonly slot?: number;
  readonly slotDescription: string;
  readonly serialNumber: string;
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  /** Description and version of the library. */
  readonly library: string;
  /** CK_TOKEN_INFO.flags (PKCS#11 2.40, 3.2). */
  readonly flags: number;
}

/** The objects of a token in columns: a thousand cross in a tenth of a millisecond. */
export interface NativeListing {
  readonly ids: Float64Array;
  /** An entry each: 1 private, 2 label unreadable, 4 application unreadable. */
  readonly flags: Uint8Array;
  /** Label, NUL, application, NUL of each; empty where unreadable. */
  readonly names: string;
  readonly otherObjects: number;
  readonly version: number;
}

export interface NativeDeadlines {
  /** Milliseconds, each; `read` is also for list and random. */
  readonly open: number;
  readonly read: number;
  readonly write: number;
  readonly refresh: number;
  readonly close: number;
}

export interface NativeTokenOptions {
  readonly modulePath: string;
  /** Exactly one. */
  readonly select: {
    readonly serialNumber?: string | undefined;
    readonly label?: string | undefined;
    readonly slot?: number | undefined;
  };
  /** Copied into locked memory and wiped here, even when another option is wrong. */
  readonly pin: Uint8Array;
  /** True: refresh is C_Finalize, C_Initialize, login and scan. False: a scan. */
  readonly refreshReinitializes: boolean;
  readonly objectCapacity: number;
  readonly maxValueLength: number;
  /** Their last levels are made when absent. An empty one means: no lock; refused PINs are not kept. */
  readonly lockDirectory: string;
  readonly stateDirectory: string;
  readonly allowFinalTry: boolean;
  readonly deadlines: NativeDeadlines;
  /** Requests that may wait at once. */
  readonly queueLimit: number;
}

export type NativeOperation =
  | {
      readonly kind: "create";
      readonly label: string;
      readonly application: string;
      readonly value: Uint8Array;
    }
  | { readonly kind: "destroy"; readonly id: number };

export interface NativeApplied {
  /** An operation each: id of what was created, `null` destroyed, `undefined` not tried, or why it failed. */
  readonly outcomes: readonly (number | null | undefined | NativeError)[];
  /** Of the index, afterwards; one more than before when this batch is all that changed it. */
  readonly version: number;
}

/** A token on its own thread; requests are carried out one at a time, in the order of the calls. */
export interface NativeToken {
  /** First. A token whose open failed is closed. */
  open(): Promise<{ readonly token: NativeSlot; readonly listing: NativeListing }>;
  list(): Promise<NativeListing>;
  /** An id each: the value, or why not. */
  read(ids: readonly number[]): Promise<readonly (Uint8Array | NativeError)[]>;
  apply(operations: readonly NativeOperation[]): Promise<NativeApplied>;
  refresh(): Promise<NativeListing>;
  random(length: number): Promise<Uint8Array>;
  close(): Promise<void>;
  /** Version of the index as of the last finished request. */
  version(): number;
  /** Names the request made last, for `withdraw`. */
  ticket(): number;
  /** Takes back a request that has not begun: its promise rejects, and true is returned. */
  withdraw(ticket: number): boolean;
}

/** What a provisioning or a PIN change came to (native/cryptoki/provision.h). */
export interface NativePinWork {
  /** `untouched`: certainly nothing on the token was changed. `unfinished`: something was, or may have been. */
  readonly state: "done" | "untouched" | "unfinished";
  readonly step: "look" | "initToken" | "return" | "initPin" | "setPin" | "verify";
  readonly token: NativeSlot;
  /** Unless done. */
  readonly error?: NativeError;
}

export type NativeEventListener = (
  kind: "changed" | "gone" | "back" | "hung" | "state",
  version: number,
  /** Of `gone` the reason, of `hung` the operation, of `state` its name. */
  text: string,
) => void;

/** Streaming SHA-256; after `digest` it stands at the beginning again. */
export interface NativeSha256 {
  update(data: Uint8Array): NativeSha256;
  /** Off the event loop above 64 KiB; `data` stays unchanged, and this unused, until it settles. */
  updateAsync(data: Uint8Array): Promise<void>;
  digest(): Uint8Array;
}

/** A USB device as sysfs shows it; ids and classes are lower-case hexadecimal digits. */
export interface NativeUsbDevice {
  /** The kernel's name of the port, e.g. `1-1.4`; the same device keeps it while it stays plugged in. */
  readonly name: string;
  readonly vendorId: string;
  readonly productId: string;
  /** These three are the device's own words; bytes that are no text stand as `\xNN`. */
  readonly serialNumber?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly bus: number;
  /** Counts up at each plugging. */
  readonly device: number;
  /** `<devRoot>/bus/usb/BBB/DDD`. */
  readonly path: string;
  /** Mbit/s. */
  readonly speed?: number;
  readonly interfaces: readonly {
    readonly number: number;
    /** `0b`: a smart-card reader (CCID). */
    readonly class: string;
    readonly subclass: string;
    readonly protocol: string;
  }[];
  /** Files that are there and could not be read: `serial` among them means an unknown serial number, not none. */
  readonly unreadable: readonly string[];
}

export interface NativeUsbListing {
  /** False: the kernel has no USB. */
  readonly present: boolean;
  readonly devices: readonly NativeUsbDevice[];
  /** Entries that may be devices and could not be read. */
  readonly unreadable: readonly string[];
}

/**
 * `event`: action, sysfs path and device type of a kernel uevent of USB. `overflow`: some were lost. `failed`: why
 * none follows.
 */
export type NativeUsbListener = (
  kind: "event" | "overflow" | "failed",
  text: string,
  devpath: string,
  devtype: string,
) => void;

export interface NativeUsbMonitor {
  /** Idempotent; nothing is heard after it. */
  close(): void;
}

export interface Addon {
  /**
   * Kernel uevents (netlink group 1), until `close`; keeps the process alive. Throws an Error with `code` (EPERM, ...)
   * where they cannot be had. `fd`: a datagram socket to read in place of netlink, taken over; anybody may send on it.
   * `subsystem`: another one than `usb`, for a test on a machine without USB.
   */
  readonly UsbMonitor: new (
    listener: NativeUsbListener,
    fd?: number,
    subsystem?: string,
  ) => NativeUsbMonitor;
  /** The JSON of a NativeUsbListing: `<root>/bus/usb/devices` read on a thread of its own. */
  listUsbDevices(root: string, devRoot: string): Promise<string>;
  /** No core dump of this process from now on, nor a look into its memory by its user; false when that is refused. */
  disableCoreDumps(): boolean;
  readonly Token: new (options: NativeTokenOptions, onEvent: NativeEventListener) => NativeToken;
  readonly Sha256: new () => NativeSha256;
  /** Slots with tokens; no login. Waits at most `limit` ms for the library when a token of it is in use. */
  listTokens(modulePath: string, limit: number): Promise<readonly NativeSlot[]>;
  /**
   * The first PIN of a certainly blank token; both PINs are wiped. `target`: serial number, or slot. `returnLimit`:
   * longest absence of a card after C_InitToken. Rejects with Timeout at `limit` (both milliseconds).
   */
  provision(
    modulePath: string,
    target: string | number,
    soPin: Uint8Array,
    pin: Uint8Array,
    label: string,
    lockDirectory: string,
    returnLimit: number,
    limit: number,
  ): Promise<NativePinWork>;
  /** One C_SetPIN, and one login that proves it; both PINs are wiped. */
  changePin(
    modulePath: string,
    target: string | number,
    oldPin: Uint8Array,
    newPin: Uint8Array,
    lockDirectory: string,
    stateDirectory: string,
    allowFinalTry: boolean,
    limit: number,
  ): Promise<NativePinWork>;
  sha256(data: Uint8Array): Uint8Array;
  /** 64 lower-case digits: the quicker form for short messages. */
  sha256Hex(data: Uint8Array): string;
  /** Off the event loop above 64 KiB. `data` stays unchanged until it settles; rejects when it is transferred. */
  sha256Async(data: Uint8Array): Promise<Uint8Array>;
  /** 32 bytes a message, one after another. */
  sha256Batch(messages: readonly Uint8Array[]): Uint8Array;
  /** The same, of a copy, off the event loop when they are more than 64 KiB together. */
  sha256BatchAsync(messages: readonly Uint8Array[]): Promise<Uint8Array>;
  /** Which of `sha256Implementations` is in use; with a name, chooses it for the process (tests, benches). */
  sha256Implementation(name?: string): string;
  /** What runs on this processor, the fastest first: `sha-ni` or `armv8`, `portable`. */
  sha256Implementations(): string[];
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
}

// Both src/addon.ts and dist/addon.js lie one level below the package.
const packageRoot = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);
let loaded: Addon | undefined;

/** Loads the addon on the first call: build/Release first, then prebuilds/ for this platform. */
export function loadAddon(): Addon {
  loaded ??= loadFrom(packageRoot);
  return loaded;
}

/** What is there for other machines, in words. */
function prebuiltFor(folder: string): string {
  try {
    const platforms = readdirSync(join(folder, "prebuilds")).sort();
    return platforms.length === 0 ? "" : ` (there is one for ${platforms.join(", ")})`;
  } catch {
    return ""; // No such folder: nothing was prebuilt.
  }
}

/** As `loadAddon`, from a folder that holds `build/Release` or `prebuilds`. Throws an Error that names the remedy. */
export function loadFrom(folder: string): Addon {
  const find = require("node-gyp-build") as { path(folder: string): string };
  let file: string;
  try {
    file = find.path(folder);
  } catch (cause) {
    throw new Error(
      `There is no native addon for ${process.platform}-${process.arch} below ${folder}${prebuiltFor(folder)}: ` +
        "run `node scripts/setup.mjs` there, which builds it (it needs g++, make and python3).",
      { cause },
    );
  }
  try {
    return require(file) as Addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `The native addon ${file} cannot be loaded (${reason}): remove the folder build and run ` +
        `\`node scripts/setup.mjs\` with this Node (${process.version}, ${process.platform}-${process.arch}).`,
      { cause },
    );
  }
}
