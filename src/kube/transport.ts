/** HTTP to one API server over undici: two pools, so that watches never keep a call waiting for a connection. */

import { buildConnector, Pool } from "undici";
import type { Connection, TlsMaterial } from "./connection.ts";
import { unreachable } from "./unreachable.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the server's own path, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  /** The whole body. */
  text(): Promise<string>;
  /** The body in pieces, as they come. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Lets go of a body that nobody reads. */
  discard(): void;
}

export interface Transport {
  call(request: HttpRequest): Promise<HttpAnswer>;
  /** `idleTimeout`: milliseconds without a byte after which the stream breaks. */
  stream(request: HttpRequest, idleTimeout: number): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** Connections for calls. More would only queue in the server, whose own limit for one user is near it. */
const CALL_CONNECTIONS = 16;
const CONNECT_TIMEOUT = 10_000;
const HEADERS_TIMEOUT = 60_000;

export function createTransport(connection: Connection): Transport {
  const url = new URL(connection.server);
  const base = url.pathname.replace(/\/+$/, "");
  const connect = createConnector(connection);
  const options = {
    connect,
    pipelining: 1,
    headersTimeout: HEADERS_TIMEOUT,
    keepAliveTimeout: 30_000,
    maxHeaderSize: 64 * 1024,
  };
  const calls = new Pool(url.origin, {
    ...options,
    connections: CALL_CONNECTIONS,
    bodyTimeout: HEADERS_TIMEOUT,
  });
  const streams = new Pool(url.origin, { ...options, connections: null });

  async function send(pool: Pool, request: HttpRequest, bodyTimeout?: number): Promise<HttpAnswer> {
    const answer = await pool
      .request({
        method: request.method,
        path: `${base}${request.path}`,
        headers: request.headers,
        signal: request.signal,
        ...(request.body === undefined ? {} : { body: request.body }),
        ...(bodyTimeout === undefined ? {} : { bodyTimeout }),
      })
      .catch((error: unknown) => {
        throw unreachable(connection.server, error, request.signal);
      });
    const { body, headers } = answer;
    return {
      status: answer.statusCode,
      header(name) {
        const value = headers[name];
        return Array.isArray(value) ? value[0] : value;
      },
      async text() {
        try {
          return await body.text();
        } catch (error) {
          throw unreachable(connection.server, error, request.signal);
        }
      },
      pieces: (async function* () {
        try {
          for await (const piece of body) yield piece as Uint8Array;
        } catch (error) {
          throw unreachable(connection.server, error, request.signal);
        }
      })(),
      discard() {
        body.on("error", () => {}); // Breaking the body off is what is wanted here.
        body.destroy();
      },
    };
  }

  return {
    call: (request) => send(calls, request),
    stream: (request, idleTimeout) => send(streams, request, idleTimeout),
    async close() {
      await Promise.all([calls.destroy(), streams.destroy()]);
    },
  };
}

/** Takes the certificates anew for each TCP connection: a CA that was rotated on disk is believed without a restart. */
function createConnector(connection: Connection): buildConnector.connector {
  let built: { readonly material: TlsMaterial; readonly connector: buildConnector.connector } | undefined;
  const current = async () => {
    const material = await connection.tls();
    if (built === undefined || !sameMaterial(built.material, material)) {
      const { ca, cert, key, serverName, skipVerify } = material;
      const connector = buildConnector({
        timeout: CONNECT_TIMEOUT,
        keepAlive: true,
        keepAliveInitialDelay: 30_000,
        rejectUnauthorized: skipVerify !== true,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(serverName === undefined ? {} : { servername: serverName }),
      });
      built = { material, connector };
    }
    return built.connector;
  };
  return (options, callback) => {
    current().then(
      (connector) => connector(options, callback),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    );
  };
}

function sameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  return (
    a.ca === b.ca &&
    a.cert === b.cert &&
    a.key === b.key &&
    a.serverName === b.serverName &&
    a.skipVerify === b.skipVerify
  );
}
