/** What is known of kinds of devices before they are opened. The figures were measured, not read. */
import type { NativeDeadlines } from "../../addon.ts";
import type { VerificationMode } from "../token.ts";

export const DEVICE_TYPES = [
  "SoftHSM",
  "PicoHSM",
  "SmartCard-HSM",
  "NitrokeyHSM",
  "YubiHSM",
  "Generic",
] as const;
export type DeviceType = (typeof DEVICE_TYPES)[number];

export interface DeviceProfile {
  /** Bytes of one part of a record. */
  readonly partSize: number;
  /** Most bytes that one object keeps whole; a larger one is refused before it reaches the token. */
  readonly maxValueLength: number;
  /** Most objects of all classes. */
  readonly objectCapacity: number;
  readonly verification: VerificationMode;
  readonly deadlines: NativeDeadlines;
}

/** Nothing that a program does in memory or on a disk takes this long. */
const QUICK: NativeDeadlines = { open: 30_000, read: 10_000, write: 20_000, refresh: 30_000, close: 5_000 };
/** A card may clean its flash in the middle of a write, for half a minute: it is slow then, not hung. */
const SLOW: NativeDeadlines = { open: 60_000, read: 10_000, write: 60_000, refresh: 60_000, close: 5_000 };

/**
 * Smart cards through OpenSC show 128 objects at most and fewer with keys on the card; the release firmware of a
 * Pico HSM keeps 4,000 bytes whole and cuts at 4,080 without saying so.
 */
const CARD: DeviceProfile = {
  partSize: 3500,
  maxValueLength: 4000,
  objectCapacity: 120,
  verification: "refresh",
  deadlines: SLOW,
};

const PROFILES: Readonly<Record<DeviceType, DeviceProfile>> = {
  SoftHSM: {
    partSize: 65_536,
    maxValueLength: 4 * 1024 * 1024,
    objectCapacity: 100_000,
    verification: "readback",
    deadlines: QUICK,
  },
  PicoHSM: CARD,
  "SmartCard-HSM": CARD,
  NitrokeyHSM: CARD,
  // An opaque object of a YubiHSM 2 holds 1,968 bytes, 256 objects in all.
  YubiHSM: {
    partSize: 1800,
    maxValueLength: 1900,
    objectCapacity: 250,
    verification: "readback",
    deadlines: SLOW,
  },
  // Nothing is known: the smallest, and the proof that holds everywhere.
  Generic: CARD,
};

export function profileOf(type: DeviceType): DeviceProfile {
  return PROFILES[type];
}

/** Guesses by what the token says of itself; `Generic` when nothing fits. */
export function detectDeviceType(token: {
  readonly manufacturer: string;
  readonly model: string;
  readonly label: string;
  readonly slotDescription: string;
}): DeviceType {
  const text = `${token.manufacturer}|${token.model}|${token.label}|${token.slotDescription}`.toLowerCase();
  if (/softhsm/.test(`${token.manufacturer}|${token.model}`.toLowerCase())) return "SoftHSM";
  if (/pico[- ]?hsm|pol henarejos/.test(text)) return "PicoHSM";
  if (/nitrokey/.test(text)) return "NitrokeyHSM";
  if (/smartcard-hsm|cardcontact/.test(text)) return "SmartCard-HSM";
  if (/yubihsm/.test(text)) return "YubiHSM";
  return "Generic";
}
