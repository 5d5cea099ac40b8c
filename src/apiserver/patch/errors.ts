/**
 * - `BadPatch`: the document is no patch of its kind (400)
 * - `TooManyOperations`: 413
 * - `Inapplicable`: a JSON patch that does not fit the object (422, without causes)
 * - `Internal`: a strategic merge patch that the real server answers with a 500 and no reason
 */
export type PatchErrorCode = "BadPatch" | "TooManyOperations" | "Inapplicable" | "Internal";

const STATUS = { BadPatch: 400, TooManyOperations: 413, Inapplicable: 422, Internal: 500 } as const;

export class PatchError extends Error {
  override readonly name = "PatchError";
  readonly code: PatchErrorCode;

  constructor(code: PatchErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  /** The HTTP status that a Kubernetes API server answers with. */
  get status(): 400 | 413 | 422 | 500 {
    return STATUS[this.code];
  }
}

/** What every JSON patch that does not fit answers, whatever the operation. */
export const INAPPLICABLE_MESSAGE = "the server rejected our request due to an error in our request";

/** A JSON type's name in the messages of the decoder. */
export function jsonTypeName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (value === null) return "null";
  return typeof value === "boolean" ? "bool" : typeof value;
}
