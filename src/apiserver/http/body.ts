/** Reads a request body up to the limit of Kubernetes. */

import type { IncomingMessage } from "node:http";
import { ApiError } from "../status/status.ts";

export const BODY_LIMIT = 3 * 1024 * 1024;

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    // The rest is read and dropped, so that the client can read the answer on a whole connection.
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  if (size > BODY_LIMIT) {
    const message = `Request entity too large: limit is ${BODY_LIMIT}`;
    throw new ApiError(413, "RequestEntityTooLarge", message);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}
