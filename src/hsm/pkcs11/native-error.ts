import type { NativeError } from "../../addon.ts";
import { HsmError, type HsmErrorClass } from "../errors.ts";

/** The classes that the addon knows (native/cryptoki/return_codes.h); anything else is Internal. */
const CLASSES: ReadonlySet<string> = new Set<HsmErrorClass>([
  "NotFound",
  "AuthFailed",
  "PinLocked",
  "TokenGone",
  "NoSpace",
  "TooLarge",
  "Busy",
  "Timeout",
  "Unsupported",
  "BadInput",
  "Corrupt",
  "Internal",
]);

export function isNativeError(value: unknown): value is NativeError {
  return typeof value === "object" && value !== null && "class" in value && "operation" in value;
}

/** What the addon rejected with or threw, as the error that callers know. */
export function toHsmError(thrown: unknown, operation: string): HsmError {
  if (thrown instanceof HsmError) return thrown;
  if (isNativeError(thrown)) {
    const errorClass = CLASSES.has(thrown.class) ? (thrown.class as HsmErrorClass) : "Internal";
    return new HsmError(errorClass, thrown.message, {
      operation: thrown.operation,
      ...(thrown.ckrName === undefined ? {} : { ckrName: thrown.ckrName }),
      ...(thrown.ckrCode === undefined ? {} : { ckrCode: thrown.ckrCode }),
    });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  // The addon throws TypeErrors for arguments of the wrong type, before anything happens.
  return new HsmError(thrown instanceof TypeError ? "BadInput" : "Internal", message, {
    operation,
    cause: thrown,
  });
}
