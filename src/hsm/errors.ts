/**
 * Errors of the HSM layer.
 *
 * A caller can always tell "not there" from "could not look": absence is a value (see {@link ReadResult} in
 * client.ts), every failure is an {@link HsmError} with one {@link HsmErrorClass}.
 */

/** What kind of failure it was. Decides whether a retry can help and which condition a person sees. */
export type HsmErrorClass =
  | "NotFound"
  | "AuthFailed"
  | "PinLocked"
  | "TokenGone"
  | "NoSpace"
  | "TooLarge"
  | "Busy"
  | "Timeout"
  | "Unsupported"
  | "Conflict"
  | "Corrupt"
  | "BadInput"
  | "Internal";

/** The classes for which the same call may succeed later without anybody changing anything. */
const RETRYABLE: ReadonlySet<HsmErrorClass> = new Set(["TokenGone", "Busy", "Timeout"]);

export interface HsmErrorDetails {
  /** The operation that failed, e.g. `C_CreateObject` or `read`. */
  readonly operation: string;
  /** Name of the PKCS#11 return value, e.g. `CKR_PIN_INCORRECT`; absent when the failure is our own. */
  readonly ckrName?: string;
  /** Number of the PKCS#11 return value (PKCS#11 2.40, section 11.1). */
  readonly ckrCode?: number;
  readonly cause?: unknown;
}

/** A failed operation on a token. The message is one sentence for people and never holds a value or a PIN. */
export class HsmError extends Error {
  override readonly name = "HsmError";
  readonly class: HsmErrorClass;
  readonly operation: string;
  readonly ckrName: string | undefined;
  readonly ckrCode: number | undefined;

  constructor(errorClass: HsmErrorClass, message: string, details: HsmErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.class = errorClass;
    this.operation = details.operation;
    this.ckrName = details.ckrName;
    this.ckrCode = details.ckrCode;
  }

  /** Stable machine-readable code, e.g. `HSM_PIN_LOCKED`. */
  get code(): string {
    return `HSM_${this.class.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()}`;
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.class);
  }
}

export function isHsmError(error: unknown, errorClass?: HsmErrorClass): error is HsmError {
  return error instanceof HsmError && (errorClass === undefined || error.class === errorClass);
}
