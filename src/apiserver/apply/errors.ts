import type { Cause } from "../status/status.ts";

/**
 * - `Conflict` (409): others own what the configuration would change
 * - `Untyped` (500): the configuration does not fit the schema
 * - `BadRequest` (400)
 */
export type ApplyErrorCode = "BadRequest" | "Conflict" | "Untyped";

const STATUS = { BadRequest: 400, Conflict: 409, Untyped: 500 } as const;

export class ApplyError extends Error {
  override readonly name = "ApplyError";
  readonly code: ApplyErrorCode;
  readonly causes: readonly Cause[];

  constructor(code: ApplyErrorCode, message: string, causes: readonly Cause[] = []) {
    super(message);
    this.code = code;
    this.causes = causes;
  }

  /** The HTTP status that a Kubernetes API server answers with. */
  get status(): 400 | 409 | 500 {
    return STATUS[this.code];
  }
}
