/**
 * The transport of programs that call seldom and must stay small: node:http and node:https. Measured on Node 20,
 * loading undici costs 20 MB, these 3; undici is several times as fast where calls are many.
 */

import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Connection, TlsMaterial } from "./connection.ts";
import type { HttpAnswer, HttpRequest, Transport } from "./transport.ts";
import { unreachable } from "./unreachable.ts";

const CALL_CONNECTIONS = 2;
/** Milliseconds without a byte after which a call is given up. */
const CALL_IDLE = 60_000;
const KEEP_ALIVE = 30_000;

export function createSmallTransport(connection: Connection): Transport {
  const url = new URL(connection.server);
  const base = url.pathname.replace(/\/+$/, "");
  const secure = url.protocol === "https:";
  const keep = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE };
  const agentOf = (maxSockets: number) =>
    secure ? new HttpsAgent({ ...keep, maxSockets }) : new HttpAgent({ ...keep, maxSockets });
  const calls = agentOf(CALL_CONNECTIONS);
  const streams = agentOf(Number.POSITIVE_INFINITY);

  async function send(agent: HttpAgent, request: HttpRequest, idle: number): Promise<HttpAnswer> {
    const { method, headers, signal, body } = request;
    // Certificates are asked for each time; a connection is used again only with those that it was made with.
    const tls = secure ? tlsOptions(await connection.tls()) : {};
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      // Node leaves the length of a DELETE's body out, and a server takes it for the next request.
      const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
      const options = { agent, method, headers: { ...headers, ...length }, signal, timeout: idle, ...tls };
      const target = new URL(`${url.origin}${base}${request.path}`);
      const sent = (secure ? httpsRequest : httpRequest)(target, options, (answer) =>
        resolve(answerOf(answer, (error) => unreachable(connection.server, error, signal))),
      );
      sent.on("timeout", () => sent.destroy(new Error(`no byte came for ${idle / 1000} s`)));
      sent.on("error", (error) => reject(unreachable(connection.server, error, signal)));
      sent.end(body);
    });
  }

  return {
    call: (request) => send(calls, request, CALL_IDLE),
    stream: (request, idleTimeout) => send(streams, request, idleTimeout),
    async close() {
      calls.destroy();
      streams.destroy();
    },
  };
}

function answerOf(answer: IncomingMessage, failure: (error: unknown) => unknown): HttpAnswer {
  const pieces = (async function* () {
    try {
      for await (const piece of answer) yield piece as Uint8Array;
    } catch (error) {
      throw failure(error);
    }
  })();
  return {
    status: answer.statusCode ?? 0,
    header(name) {
      const value = answer.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    async text() {
      const all: Uint8Array[] = [];
      for await (const piece of pieces) all.push(piece);
      return Buffer.concat(all).toString("utf8");
    },
    pieces,
    discard() {
      answer.on("error", () => {}); // Breaking the body off is what is wanted here.
      answer.destroy();
    },
  };
}

function tlsOptions({ ca, cert, key, serverName, skipVerify }: TlsMaterial) {
  return {
    rejectUnauthorized: skipVerify !== true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}
