/** The first PIN of a blank token, and the change of a PIN: both once, both proven, neither ever repeated by itself. */
import { loadAddon, type NativePinWork } from "../../addon.ts";
import type { HsmError } from "../errors.ts";
import { defaultLockDirectory, defaultStateDirectory, preparePrivateDirectory } from "./directories.ts";
import { toHsmError } from "./native-error.ts";

/** A slot is for tokens without a serial number: a blank token of SoftHSM2 has none. */
export type ProvisionTarget = { readonly serialNumber: string } | { readonly slot: number };

export interface ProvisionOptions {
  readonly modulePath: string;
  readonly select: ProvisionTarget;
  /** Both are wiped by the call, whatever comes of it. The user PIN has 6 to 15 bytes, and fits the token's limits. */
  readonly soPin: Uint8Array;
  readonly pin: Uint8Array;
  /** 1 to 32 bytes of UTF-8. */
  readonly label: string;
  readonly lockDirectory?: string | undefined;
  /** Longest time that a card may stay away after it was initialised, milliseconds; a minute when absent. */
  readonly returnLimit?: number | undefined;
  /** Of the whole, milliseconds; 3 minutes when absent. */
  readonly limit?: number | undefined;
}

export interface PinChangeOptions {
  readonly modulePath: string;
  readonly select: ProvisionTarget;
  /** Both are wiped by the call, whatever comes of it. */
  readonly oldPin: Uint8Array;
  readonly newPin: Uint8Array;
  readonly lockDirectory?: string | undefined;
  readonly stateDirectory?: string | undefined;
  /** Tries even when the token says that a wrong PIN would now lock it. */
  readonly allowFinalTry?: boolean | undefined;
  /** Of the whole, milliseconds; a minute when absent. */
  readonly limit?: number | undefined;
}

/** In which step it is unknown what the token holds. */
export type UnfinishedStep = "initToken" | "return" | "initPin" | "setPin" | "verify";

export type PinWorkResult =
  /** Proven by a login after the library was started anew. */
  | { readonly status: "done"; readonly serialNumber: string; readonly label: string }
  | {
      readonly status: "unfinished";
      readonly step: UnfinishedStep;
      /** What the token holds now, as far as it can be known, and what to do. One or two sentences. */
      readonly left: string;
      readonly serialNumber: string;
      readonly error: HsmError;
    };

const PROVISION_LEFT: Readonly<Record<UnfinishedStep, string>> = {
  initToken:
    "The token is still blank, or it is initialised with the SO PIN that was given and has no user PIN. Run the same command again: it does what is missing.",
  return:
    "The token was initialised with the SO PIN that was given and has no user PIN. Pull it out, put it in, and run the same command again: it sets the user PIN only.",
  initPin:
    "The token was initialised with the SO PIN that was given; its user PIN is not set, or is the one that was given. Run the same command again: it sets a PIN that is missing, and refuses a token that has one.",
  setPin: "",
  verify:
    "The token took both PINs, and the login that proves it could not be made. Try the user PIN once with `test-hsm info`.",
};

const CHANGE_LEFT: Readonly<Record<UnfinishedStep, string>> = {
  initToken: "",
  return: "",
  initPin: "",
  setPin:
    "The token has its old PIN or the new one, never another. Try the new PIN once with `test-hsm info`; if it is refused, the old one holds, and a login with it makes the tries full again.",
  verify:
    "The token said that it changed the PIN, and the login that proves it failed. Unless the token refused the new PIN, try it once with `test-hsm info`; where it is refused, the old one holds.",
};

/**
 * Provisions a certainly blank token. Rejects with an HsmError when certainly nothing on the token was changed:
 * BadInput for a token that shows a PIN or an object, or says two things in two looks. Rejects with Timeout when a
 * call hangs: then nobody knows, and the process should end.
 */
export async function provisionToken(options: ProvisionOptions): Promise<PinWorkResult> {
  const { soPin, pin } = options;
  try {
    const lockDirectory = options.lockDirectory ?? defaultLockDirectory();
    await preparePrivateDirectory(lockDirectory);
    const work = await loadAddon().provision(
      options.modulePath,
      targetOf(options.select),
      soPin,
      pin,
      options.label,
      lockDirectory,
      options.returnLimit ?? 60_000,
      options.limit ?? 180_000,
    );
    return resultOf(work, "provision", PROVISION_LEFT);
  } catch (error) {
    throw toHsmError(error, "provision");
  } finally {
    soPin.fill(0);
    pin.fill(0);
  }
}

/** Changes the user PIN by one try. Rejects as `provisionToken` does; a wrong old PIN is AuthFailed. */
export async function changeUserPin(options: PinChangeOptions): Promise<PinWorkResult> {
  const { oldPin, newPin } = options;
  try {
    const lockDirectory = options.lockDirectory ?? defaultLockDirectory();
    const stateDirectory = options.stateDirectory ?? defaultStateDirectory();
    await preparePrivateDirectory(lockDirectory);
    await preparePrivateDirectory(stateDirectory);
    const work = await loadAddon().changePin(
      options.modulePath,
      targetOf(options.select),
      oldPin,
      newPin,
      lockDirectory,
      stateDirectory,
      options.allowFinalTry ?? false,
      options.limit ?? 60_000,
    );
    return resultOf(work, "changePin", CHANGE_LEFT);
  } catch (error) {
    throw toHsmError(error, "changePin");
  } finally {
    oldPin.fill(0);
    newPin.fill(0);
  }
}

function targetOf(select: ProvisionTarget): string | number {
  return "serialNumber" in select ? select.serialNumber : select.slot;
}

function resultOf(
  work: NativePinWork,
  operation: string,
  left: Readonly<Record<UnfinishedStep, string>>,
): PinWorkResult {
  const { serialNumber, label } = work.token;
  if (work.state === "done") return { status: "done", serialNumber, label };
  const error = toHsmError(work.error, operation);
  if (work.state === "untouched" || work.step === "look") throw error;
  return { status: "unfinished", step: work.step, left: left[work.step], serialNumber, error };
}
