/** A small client for tests of the API server: one request, or a watch read line by line. */

import { Agent, request as httpsRequest } from "node:https";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Body;
}

/** JSON of an answer, for assertions. */
export interface Body {
  readonly [key: string]: unknown;
  readonly kind?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly metadata?: Meta;
  readonly items?: readonly { readonly metadata: Meta }[];
}

export interface Meta {
  readonly name?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly unknown[];
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: Body;
}

export interface Client {
  readonly server: ApiServer;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Reads a watch until `enough` says so, or the server ends it. */
  watch(path: string, enough: (events: readonly WatchEvent[]) => boolean): Promise<WatchEvent[]>;
  close(): Promise<void>;
}

export async function startClient(
  options: Partial<Parameters<typeof createApiServer>[0]> = {},
): Promise<Client> {
  const server = await createApiServer({ listen: { host: "127.0.0.1", port: 0 }, ...options });
  return clientOf(server, server.adminToken);
}

export function clientOf(server: ApiServer, token: string): Client {
  const agent = new Agent({ ca: server.caCertificate, keepAlive: true });
  const send = (method: string, path: string, body: unknown, headers: Record<string, string>) => {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const request = httpsRequest(`${server.url}${path}`, {
      method,
      agent,
      headers: {
        authorization: `Bearer ${token}`,
        ...(text === undefined
          ? {}
          : { "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) }),
        ...headers,
      },
    });
    request.end(text);
    return request;
  };
  return {
    server,
    call: (method, path, body, headers = {}) =>
      new Promise((resolve, reject) => {
        send(method, path, body, headers)
          .on("error", reject)
          .on("response", (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("error", reject);
            response.on("end", () => {
              const text = Buffer.concat(chunks).toString("utf8");
              const json = String(response.headers["content-type"]).startsWith("application/json");
              const value = (json && text !== "" ? JSON.parse(text) : { text }) as Body;
              resolve({ status: response.statusCode ?? 0, headers: response.headers, body: value });
            });
          });
      }),
    watch: (path, enough) =>
      new Promise((resolve, reject) => {
        const request = send("GET", path, undefined, {});
        const events: WatchEvent[] = [];
        request.on("error", (error) => (enough(events) ? resolve(events) : reject(error)));
        request.on("response", (response) => {
          let rest = "";
          response.setEncoding("utf8").on("data", (text: string) => {
            const lines = (rest + text).split("\n");
            rest = lines.pop() ?? "";
            for (const line of lines) {
              events.push(JSON.parse(line) as WatchEvent);
              if (!enough(events)) continue;
              request.destroy();
              resolve(events);
              return;
            }
          });
          response.on("end", () => resolve(events));
          response.on("error", () => resolve(events));
        });
      }),
    close: async () => {
      agent.destroy();
      await server.close();
    },
  };
}

/** Waits until the check holds; fails after five seconds. */
export async function eventually<T>(look: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    if (Date.now() > deadline)
      throw new Error(`not within five seconds: ${JSON.stringify(value).slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
