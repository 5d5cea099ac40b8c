/** Reads a request body up to the limit of Kubernetes. */

import type { IncomingMessage } from "node:http";
import { ApiError } from "../status/status.ts";

export const BODY_LIMIT = 3 * 1024 * 1024;

export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      // The rest is read and dropped, so that the client can read the answer on a whole connection.
      if (size <= BODY_LIMIT) chunks.push(chunk);
    });
    request.once("end", () => {
      const [only] = chunks;
      if (size > BODY_LIMIT) reject(tooLarge());
      else resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
    });
    request.once("error", reject);
  });
}

function tooLarge(): ApiError {
  const message = `Request entity too large: limit is ${BODY_LIMIT}`;
  return new ApiError(413, "RequestEntityTooLarge", message);
}
