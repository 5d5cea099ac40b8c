/** Answers that are no answers: errors that nobody deserved, connections that break, streams that are cut. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { setCommonHeaders } from "../http/respond.ts";
import { ApiError } from "../status/status.ts";

export interface Refusal {
  readonly code: number;
  /** Seconds, as header and in the Status. */
  readonly retryAfter?: number;
}

const WORDS: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  410: ["Expired", "The provided continue parameter is too old to display a consistent list result."],
  429: ["TooManyRequests", "Too many requests, please try again later."],
  500: ["InternalError", "Internal error occurred"],
  503: ["ServiceUnavailable", "The server is currently unable to handle the request"],
  504: ["Timeout", "The server was unable to return a response in the time allotted"],
};

export function statusOf({ code, retryAfter }: Refusal): ApiError {
  const [reason, message] = WORDS[code] ?? ["InternalError", "Internal error occurred"];
  const details = retryAfter === undefined ? undefined : { retryAfterSeconds: retryAfter };
  return new ApiError(code, reason, message, details);
}

/** The request's body is read and dropped first, as by a server that looks before it refuses. */
export function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  request.resume();
  setCommonHeaders(response);
  if (refusal.retryAfter !== undefined) response.setHeader("Retry-After", String(refusal.retryAfter));
  const text = JSON.stringify(statusOf(refusal).toJson());
  response.writeHead(refusal.code, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}

/** What is asked for is done, but its answer never arrives. */
export function loseAnswer(request: IncomingMessage, response: ServerResponse): void {
  response.write = () => true;
  response.end = () => {
    request.socket.destroy();
    return response;
  };
}

/** The connection breaks in the middle of the answer's body. */
export function halveAnswer(request: IncomingMessage, response: ServerResponse): void {
  const write = response.write.bind(response);
  response.end = (body?: unknown) => {
    const bytes = Buffer.from(typeof body === "string" || body instanceof Uint8Array ? body : "");
    write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => request.socket.destroy());
    return response;
  };
}
