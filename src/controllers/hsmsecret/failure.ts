/** From the class of a failure on a token to the reason that a person sees. */

import type { HsmErrorClass } from "../../pool/store.ts";
import type { Reason } from "./facts.ts";
import type { ErrorVerdict } from "./verdict.ts";

/** A failure of the token while it was read or written. It never says anything about what is there. */
export function failureOf(
  during: "read" | "write",
  errorClass: HsmErrorClass,
  message: string,
): ErrorVerdict {
  const { reason, retry } = classify(during, errorClass);
  return { kind: "error", reason, message, retry };
}

function classify(
  during: "read" | "write",
  errorClass: HsmErrorClass,
): { readonly reason: Reason; readonly retry: boolean } {
  switch (errorClass) {
    // Trying these again changes nothing, or costs a try of the PIN; they wait for a person or the interval.
    case "AuthFailed":
    case "PinLocked":
    case "TooLarge":
    case "NoSpace":
      return { reason: errorClass, retry: false };
    case "TokenGone":
    case "Busy":
    case "Timeout":
    case "NotFound":
      return { reason: "DeviceUnavailable", retry: true };
    default:
      return { reason: during === "read" ? "ReadFailed" : "WriteFailed", retry: true };
  }
}
