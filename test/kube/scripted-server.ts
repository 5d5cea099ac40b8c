import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Connection } from "../../src/kube/connection.ts";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

export type Handler = (request: SeenRequest, answer: ServerResponse) => void;

/** An HTTP server that plays what a test wants of an API server, faults included. */
export class ScriptedServer {
  readonly requests: SeenRequest[] = [];
  handler: Handler = (_request, answer) => fail(answer, 500, "InternalError", "no handler");
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((message, answer) => {
    const pieces: Buffer[] = [];
    message.on("data", (piece: Buffer) => pieces.push(piece));
    message.on("end", () => {
      const url = new URL(message.url ?? "/", "http://server");
      const text = Buffer.concat(pieces).toString();
      const request = {
        method: message.method ?? "",
        path: url.pathname,
        query: url.searchParams,
        headers: message.headers,
        body: text === "" ? undefined : JSON.parse(text),
      };
      this.requests.push(request);
      this.handler(request, answer);
    });
  });

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    server.#server.on("connection", (socket) => {
      server.#sockets.add(socket);
      socket.on("close", () => server.#sockets.delete(socket));
    });
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get connection(): Connection {
    const { port } = this.#server.address() as AddressInfo;
    return {
      server: `http://127.0.0.1:${port}`,
      namespace: "default",
      tls: async () => ({}),
      authorization: async () => undefined,
    };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, "close");
  }
}

export function json(answer: ServerResponse, body: unknown, status = 200): void {
  answer.writeHead(status, { "content-type": "application/json" });
  answer.end(JSON.stringify(body));
}

/** A Status as API servers send it. */
export function fail(
  answer: ServerResponse,
  code: number,
  reason: string,
  message: string,
  options: { readonly headers?: Record<string, string>; readonly details?: unknown } = {},
): void {
  answer.writeHead(code, { "content-type": "application/json", ...options.headers });
  const { details } = options;
  answer.end(
    JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", message, reason, code, details }),
  );
}

export function secret(
  name: string,
  version: number,
  uid = `uid-${name}`,
  data: Record<string, string> = {},
) {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "shop", uid, resourceVersion: String(version) },
    data,
  };
}

export function secretList(version: number, items: readonly unknown[], next?: string) {
  const metadata = { resourceVersion: String(version), ...(next === undefined ? {} : { continue: next }) };
  return { kind: "SecretList", apiVersion: "v1", metadata, items };
}

/** A watch under a test's control. */
export class ScriptedWatch {
  readonly #answer: ServerResponse;

  constructor(answer: ServerResponse) {
    this.#answer = answer;
    answer.writeHead(200, { "content-type": "application/json", "transfer-encoding": "chunked" });
    answer.flushHeaders();
  }

  send(type: string, object: unknown): void {
    this.#answer.write(`${JSON.stringify({ type, object })}\n`);
  }

  bookmark(version: number): void {
    this.send("BOOKMARK", {
      kind: "Secret",
      apiVersion: "v1",
      metadata: { resourceVersion: String(version) },
    });
  }

  expire(): void {
    const message = "too old resource version: 1 (5)";
    this.send("ERROR", {
      kind: "Status",
      apiVersion: "v1",
      status: "Failure",
      message,
      reason: "Expired",
      code: 410,
    });
    this.#answer.end();
  }

  raw(text: string | Uint8Array): void {
    this.#answer.write(text);
  }

  end(): void {
    this.#answer.end();
  }

  break(): void {
    this.#answer.destroy();
  }

  async closed(): Promise<void> {
    if (!this.#answer.closed) await once(this.#answer, "close");
  }
}
