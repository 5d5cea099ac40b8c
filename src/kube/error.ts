/** Failures of calls to the Kubernetes API. */

/** `Status` of the API machinery, as far as it is used. */
export interface StatusBody {
  readonly kind?: string;
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly {
      readonly reason?: string;
      readonly message?: string;
      readonly field?: string;
    }[];
  };
}

/**
 * Why a call failed. Reasons of the server as it names them (`NotFound`, `Conflict`, `AlreadyExists`, `Expired`,
 * `Invalid`, `Forbidden`, `Unauthorized`, `TooManyRequests` ...), and ours for calls that got no answer:
 * `Unreachable` (no connection, or it broke), `Timeout` (our deadline), `Aborted` (the caller's signal), `BadAnswer` (an answer that is not the API's).
 */
export class KubeError extends Error {
  override readonly name = "KubeError";
  /** HTTP status, 0 when there was no answer. */
  readonly status: number;
  readonly reason: string;
  /** Stable machine-readable code, e.g. `KUBE_NOT_FOUND`. */
  readonly code: string;
  /** Milliseconds that the server asked to wait, from Retry-After or the Status. */
  readonly retryAfter: number | undefined;
  readonly body: StatusBody | undefined;

  constructor(
    message: string,
    details: {
      readonly status: number;
      readonly reason: string;
      readonly retryAfter?: number | undefined;
      readonly body?: StatusBody | undefined;
      readonly cause?: unknown;
    },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.status = details.status;
    this.reason = details.reason;
    this.code = `KUBE_${details.reason.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()}`;
    this.retryAfter = details.retryAfter;
    this.body = details.body;
  }
}

/** True for a 404 that names the object; an unknown resource type or a proxy's 404 page is not that. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404 && error.body?.details?.name !== undefined;
}

/** Somebody else wrote first, or made another object of that name: plan again. */
export function isConflict(error: unknown): boolean {
  return (
    (error instanceof KubeError && error.status === 409 && error.reason === "Conflict") || isReplaced(error)
  );
}

/** The uid that a patch names is not that of the object: another object took the name. The server says 422. */
export function isReplaced(error: unknown): boolean {
  return (
    error instanceof KubeError &&
    error.status === 422 &&
    error.body?.details?.causes?.some((cause) => cause.field === "metadata.uid") === true
  );
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason === "AlreadyExists";
}

/** The resourceVersion or continue token is too old: list again. */
export function isExpired(error: unknown): boolean {
  return (
    error instanceof KubeError &&
    (error.status === 410 || error.reason === "Expired" || error.reason === "Gone")
  );
}

/** True when the same call may succeed later without anybody changing anything. */
export function isRetryable(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  if (error.reason === "Aborted") return false;
  return error.status === 0 || error.status === 429 || error.status >= 500;
}
