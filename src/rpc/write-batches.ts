/** Splits writes into requests that the agent takes: as many together as fit, since they are proven together. */

import type { WriteRequest } from "../hsm/client.ts";
import { HsmError } from "../hsm/errors.ts";
import { MAX_REQUEST_BYTES } from "./contract.ts";

export type WriteBatch =
  | { readonly kind: "batch"; readonly requests: readonly WriteRequest[] }
  | { readonly kind: "tooLarge"; readonly error: HsmError };

/** Bytes of JSON around a record. */
const ENVELOPE = 2_048;
const MOST_REQUESTS = 256;

export function batchRequests(requests: readonly WriteRequest[]): readonly WriteBatch[] {
  const batches: WriteBatch[] = [];
  let open: WriteRequest[] = [];
  let size = 0;
  const flush = (): void => {
    if (open.length > 0) batches.push({ kind: "batch", requests: open });
    open = [];
    size = 0;
  };
  for (const request of requests) {
    const bytes = Math.ceil(request.record.length / 3) * 4 + ENVELOPE;
    if (bytes > MAX_REQUEST_BYTES) {
      flush();
      const message = `A record of ${request.record.length} bytes does not fit into a request.`;
      batches.push({ kind: "tooLarge", error: new HsmError("TooLarge", message, { operation: "write" }) });
      continue;
    }
    if (size + bytes > MAX_REQUEST_BYTES || open.length >= MOST_REQUESTS) flush();
    open.push(request);
    size += bytes;
  }
  flush();
  return batches;
}
