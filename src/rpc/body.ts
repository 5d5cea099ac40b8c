/** Reads an answer's body: whole, or not at all. */

import type { Dispatcher } from "undici";
import { HsmError } from "../hsm/errors.ts";
import { TransportError } from "./connection.ts";

/** Rejects with `TransportError` when the connection breaks in the middle, `TooLarge` past `most` bytes. */
export async function readBody(
  response: Dispatcher.ResponseData,
  most: number,
  address: string,
  signal: AbortSignal,
): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      const bytes = chunk as Buffer;
      size += bytes.length;
      if (size > most) break;
      chunks.push(bytes);
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new TransportError("TokenGone", `The answer of the agent at ${address} was cut off.`, true, error);
  }
  if (size > most) {
    const message = `The answer of the agent at ${address} is larger than ${most} bytes.`;
    throw new HsmError("TooLarge", message, { operation: "rpc" });
  }
  return Buffer.concat(chunks).toString("utf8");
}
