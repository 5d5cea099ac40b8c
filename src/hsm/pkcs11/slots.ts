/** What tokens a PKCS#11 library shows. */
import { loadAddon, type NativeSlot } from "../../addon.ts";
import type { PinState } from "../token.ts";
import { type DeviceType, detectDeviceType } from "./device-types.ts";
import { toHsmError } from "./native-error.ts";

const CKF_TOKEN_INITIALIZED = 0x400;
const CKF_USER_PIN_COUNT_LOW = 0x10000;
const CKF_USER_PIN_FINAL_TRY = 0x20000;
const CKF_USER_PIN_LOCKED = 0x40000;

export interface TokenSlot {
  /** CK_SLOT_ID; absent when JavaScript cannot hold it: such a token is selected by its serial number. */
  readonly slot: number | undefined;
  readonly slotDescription: string;
  readonly serialNumber: string;
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly library: string;
  readonly initialized: boolean;
  readonly pinState: PinState;
  readonly deviceType: DeviceType;
}

export interface ListTokensOptions {
  /** Longest wait for the library when a token of it is in use, milliseconds; 10 s when absent. */
  readonly limit?: number | undefined;
}

/**
 * The slots of a library that hold a token, without login. Rejects with an HsmError: BadInput when the file is no
 * PKCS#11 library, Busy when a call into it takes longer than the limit.
 */
export async function listTokens(modulePath: string, options: ListTokensOptions = {}): Promise<TokenSlot[]> {
  try {
    const slots = await loadAddon().listTokens(modulePath, options.limit ?? 10_000);
    return slots.map(toTokenSlot);
  } catch (error) {
    throw toHsmError(error, "listTokens");
  }
}

function toTokenSlot(slot: NativeSlot): TokenSlot {
  return {
    slot: slot.slot,
    slotDescription: slot.slotDescription,
    serialNumber: slot.serialNumber,
    label: slot.label,
    manufacturer: slot.manufacturer,
    model: slot.model,
    library: slot.library,
    initialized: (slot.flags & CKF_TOKEN_INITIALIZED) !== 0,
    pinState: pinStateOf(slot.flags),
    deviceType: detectDeviceType(slot),
  };
}

/** Each state has a flag of its own; the worst counts (PKCS#11 2.40, 3.2: at most one should be set). */
function pinStateOf(flags: number): PinState {
  if ((flags & CKF_USER_PIN_LOCKED) !== 0) return "Locked";
  if ((flags & CKF_USER_PIN_FINAL_TRY) !== 0) return "FinalTry";
  if ((flags & CKF_USER_PIN_COUNT_LOW) !== 0) return "CountLow";
  return "OK";
}
