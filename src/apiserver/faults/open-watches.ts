/** The watches that are open, so that they can be cut at any moment. */

import type { ServerResponse } from "node:http";
import { expired } from "../status/status.ts";
import { type FaultedRequest, type Match, matches } from "./match.ts";

export type Cut =
  /** As the server ends every watch after some minutes. */
  | "end"
  /** The connection breaks. */
  | "reset"
  /** The connection breaks in the middle of an event. */
  | "half"
  /** The server says that the version is too old (410 as an event), and ends the stream. */
  | "expired";

const NEWLINE = 10;

export class OpenWatches {
  readonly #open = new Map<ServerResponse, FaultedRequest>();

  get size(): number {
    return this.#open.size;
  }

  add(request: FaultedRequest, response: ServerResponse): void {
    this.#open.set(response, request);
    response.once("close", () => this.#open.delete(response));
  }

  /** Answers how many there were. */
  cut(match: Match, how: Cut): number {
    const chosen = [...this.#open].filter(([, request]) => matches(match, request));
    for (const [response] of chosen) this.#cut(response, how);
    return chosen.length;
  }

  /** Cuts the watch after so many events, bookmarks and errors included; with none, as soon as it stands. */
  cutAfter(response: ServerResponse, events: number, how: Cut): void {
    if (events <= 0) {
      const flush = response.flushHeaders.bind(response);
      response.flushHeaders = () => {
        flush();
        this.#cut(response, how);
      };
      return;
    }
    const write = response.write.bind(response);
    let left = events;
    response.write = (chunk: unknown, ...rest: unknown[]) => {
      if (left <= 0) return true;
      const done = rest.find((value) => typeof value === "function") as (() => void) | undefined;
      const bytes = Buffer.from(typeof chunk === "string" || chunk instanceof Uint8Array ? chunk : "");
      left -= bytes.reduce((count, byte) => count + (byte === NEWLINE ? 1 : 0), 0);
      const room = write(bytes, done);
      if (left <= 0) {
        response.write = write;
        this.#cut(response, how);
      }
      return room;
    };
  }

  #cut(response: ServerResponse, how: Cut): void {
    this.#open.delete(response);
    const write = response.write.bind(response);
    // What the server still wants to send is lost.
    response.write = () => true;
    const last = LAST_WORDS[how]();
    if (how === "end") response.end();
    else if (how === "reset") response.socket?.destroy();
    else if (how === "expired") response.end(last);
    else write(last, () => response.socket?.destroy());
  }
}

const LAST_WORDS: Readonly<Record<Cut, () => string>> = {
  end: () => "",
  reset: () => "",
  half: () => '{"type":"MODIFIED","object":{"kind":"Se',
  expired: () => {
    const object = expired("too old resource version: 1 (2)").toJson();
    return `${JSON.stringify({ type: "ERROR", object })}\n`;
  },
};
