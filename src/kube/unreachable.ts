/** What a transport makes of a failure below HTTP. */

import { KubeError } from "./error.ts";

/** The caller's own reason when the caller gave up, else `Unreachable`. */
export function unreachable(server: string, error: unknown, signal: AbortSignal): unknown {
  if (error instanceof KubeError) return error;
  if (signal.aborted) return signal.reason;
  const detail = error instanceof Error && error.message !== "" ? error.message : codeOf(error);
  return new KubeError(`The API server ${server} cannot be reached: ${detail}.`, {
    status: 0,
    reason: "Unreachable",
    cause: error,
  });
}

function codeOf(error: unknown): string {
  // A failed connection to a name with several addresses is an AggregateError without a message of its own.
  return typeof error === "object" && error !== null && "code" in error
    ? String(error.code)
    : "no reason given";
}
