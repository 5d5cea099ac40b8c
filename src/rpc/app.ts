/**
 * The calls of the contract as a Hono app over any HsmClient. Knows no sockets: who may call is decided before
 * (server.ts). No answer but the ones that carry a secret by contract ever holds a value.
 */

import { randomUUID } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Context, Hono } from "hono";
import * as v from "valibot";
import type { HsmClient, Listing } from "../hsm/client.ts";
import { HsmError, type HsmErrorClass } from "../hsm/errors.ts";
import { CORRELATION_HEADER, correlationId, withCorrelationId } from "../telemetry/correlation.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Clock } from "./clock.ts";
import {
  CALLS,
  type CallName,
  CHANGES_PATH,
  callPath,
  type DeadlineKind,
  MAX_REQUEST_BYTES,
  type Problem,
  type RequestOf,
  type WireResponse,
} from "./contract.ts";
import { encodeError, encodePage, encodePool, encodeReadResult, encodeWriteResult } from "./encode.ts";
import { EventStreams } from "./event-streams.ts";

/** Milliseconds that a call may take on this side. */
export type Deadlines = Readonly<Record<DeadlineKind, number>>;

export const DEFAULT_DEADLINES: Deadlines = { read: 30_000, write: 60_000 };

export interface AgentAppOptions {
  readonly client: HsmClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly deadlines: Deadlines;
  /** Milliseconds between signs of life on an event stream. */
  readonly heartbeat: number;
}

export interface AgentApp {
  readonly fetch: Hono<{ Bindings: HttpBindings }>["fetch"];
  /** Asks everyone who listens to the events to open the stream anew. */
  endStreams(): void;
}

type AgentContext = Context<{ Bindings: HttpBindings }>;

type Handlers = {
  readonly [N in CallName]: (request: RequestOf<N>, signal: AbortSignal) => Promise<WireResponse<N>>;
};

export function createAgentApp(options: AgentAppOptions): AgentApp {
  const { client, clock, log } = options;
  const snapshots = new Snapshots(clock);
  const streams = new EventStreams(client, clock, options.heartbeat);
  const handlers: Handlers = {
    info: async (_, signal) => client.info({ signal }),
    pool: async (_, signal) => {
      const pool = await client.pool({ signal });
      return pool === undefined ? {} : { pool: encodePool(pool) };
    },
    setPool: async (pool, signal) => {
      await client.setPool(pool, { signal });
      return {};
    },
    list: async (request, signal) => snapshots.first(await client.list({ ...request, signal })),
    page: async (request) => snapshots.page(request.snapshot, request.offset),
    read: async ({ path, ...rest }, signal) => encodeReadResult(await client.read(path, { ...rest, signal })),
    write: async ({ requests }, signal) => {
      const results = await client.write(requests, { signal });
      return { results: results.map(encodeWriteResult) };
    },
    history: async ({ path }, signal) => ({ entries: [...(await client.history(path, { signal }))] }),
    refresh: async (_, signal) => snapshots.first(await client.refresh({ signal })),
  };

  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use((context, next) => {
    const id = context.env.incoming.headers[CORRELATION_HEADER];
    return withCorrelationId(typeof id === "string" ? id : undefined, next);
  });
  for (const name of Object.keys(CALLS) as CallName[]) {
    app.post(callPath(name), (context) => serve(context, name));
  }
  app.post(CHANGES_PATH, (context) => {
    const body = streams.open();
    if (body === undefined) {
      const error = new HsmError("Busy", "Too many event streams are open.", { operation: "changes" });
      return answer(context, error);
    }
    return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
  });
  app.notFound((context) =>
    answer(context, new HsmError("Unsupported", "This agent has no such call.", { operation: "rpc" })),
  );
  app.onError((error, context) => {
    log.error("a call failed outside its handler", {}, error);
    return answer(context, error);
  });

  async function serve<N extends CallName>(context: AgentContext, name: N): Promise<Response> {
    const started = clock.now();
    const fields = () => ({ call: name, milliseconds: clock.now() - started });
    try {
      const request = await parseRequest(context, name);
      const limit = options.deadlines[CALLS[name].deadline];
      const response = await withDeadline(clock, limit, name, context.env.outgoing, (signal) =>
        handlers[name](request, signal),
      );
      log.debug("call served", fields());
      return send(context, 200, "application/json", correlationId() ?? "", response);
    } catch (error) {
      if (error instanceof HsmError) {
        log.debug("call failed", { ...fields(), class: error.class, reason: error.message });
      } else {
        log.error("a call failed in a way that nobody foresaw", fields(), error);
      }
      return answer(context, error);
    }
  }
  return { fetch: app.fetch, endStreams: () => streams.end() };
}

async function parseRequest<N extends CallName>(context: AgentContext, name: N): Promise<RequestOf<N>> {
  let body: unknown;
  try {
    body = JSON.parse(await readBody(context.env.incoming, name));
  } catch (error) {
    if (error instanceof HsmError) throw error;
    throw new HsmError("BadInput", "The body is not JSON.", { operation: name, cause: error });
  }
  const schema: v.GenericSchema<unknown, RequestOf<N>> = CALLS[name].request as never;
  const result = v.safeParse(schema, body, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  // The issue's own text may quote what was received, and that may be a value: only its place is named.
  const place = v.getDotPath(issue) ?? "the body";
  throw new HsmError("BadInput", `The request is not what the contract says at ${place}.`, {
    operation: name,
  });
}

/**
 * Read from Node's own request: Hono's, made only to be asked for its body or its signal, costs more than all the
 * rest of a call.
 */
function readBody(incoming: HttpBindings["incoming"], operation: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const refuse = (): void => {
      const message = `The request is larger than ${MAX_REQUEST_BYTES} bytes.`;
      reject(new HsmError("TooLarge", message, { operation }));
    };
    if (Number(incoming.headers["content-length"] ?? 0) > MAX_REQUEST_BYTES) return refuse();
    incoming.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_REQUEST_BYTES) chunks.push(chunk);
      else refuse();
    });
    incoming.once("end", () => {
      const [only] = chunks;
      const bytes = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
      resolve(bytes.toString("utf8"));
    });
    incoming.once("error", reject);
  });
}

/** Rejects with `Timeout` at the deadline; the signal lets what has not reached the device stop. */
async function withDeadline<T>(
  clock: Clock,
  milliseconds: number,
  operation: string,
  outgoing: HttpBindings["outgoing"],
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  // Closed before the answer was given: the caller has gone.
  outgoing.once("close", stop);
  let cancel: () => void = () => {};
  const expired = new Promise<never>((_, reject) => {
    cancel = clock.after(milliseconds, () => {
      controller.abort();
      const message = `The token did not answer within ${milliseconds / 1000} s.`;
      reject(new HsmError("Timeout", message, { operation }));
    });
  });
  try {
    return await Promise.race([run(controller.signal), expired]);
  } finally {
    cancel();
    outgoing.off("close", stop);
  }
}

/** Listings of which pages are still to be fetched; a listing may change between two pages, a snapshot does not. */
class Snapshots {
  static readonly #MOST = 8;
  static readonly #LIFETIME = 60_000;
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly listing: Listing; readonly until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  first(listing: Listing): WireResponse<"list"> {
    const id = randomUUID();
    const page = encodePage(listing, id, 0);
    if (page.next !== undefined) {
      this.#kept.set(id, { listing, until: this.#clock.now() + Snapshots.#LIFETIME });
      const [oldest] = this.#kept.keys();
      if (this.#kept.size > Snapshots.#MOST && oldest !== undefined) this.#kept.delete(oldest);
    }
    return page;
  }

  page(id: string, offset: number): WireResponse<"page"> {
    const kept = this.#kept.get(id);
    if (kept === undefined || kept.until < this.#clock.now()) {
      this.#kept.delete(id);
      throw new HsmError("Busy", "This listing is no longer kept: list again.", { operation: "list" });
    }
    const page = encodePage(kept.listing, id, offset);
    if (page.next === undefined) this.#kept.delete(id);
    return page;
  }
}

function answer(context: AgentContext, error: unknown): Response {
  const body = problemOf(error, correlationId() ?? "");
  return send(context, body.status, "application/problem+json", body.requestId, body);
}

/** Written to Node's own response: a web Response costs more than all the rest of a call. */
function send(
  context: AgentContext,
  status: number,
  type: string,
  requestId: string,
  body: unknown,
): Response {
  const { outgoing } = context.env;
  const text = JSON.stringify(body);
  outgoing.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    [CORRELATION_HEADER]: requestId,
  });
  outgoing.end(text);
  return RESPONSE_ALREADY_SENT;
}

const STATUS: Readonly<Record<HsmErrorClass, number>> = {
  BadInput: 400,
  AuthFailed: 403,
  PinLocked: 403,
  NotFound: 404,
  Conflict: 409,
  TooLarge: 413,
  Internal: 500,
  Corrupt: 500,
  Unsupported: 501,
  TokenGone: 503,
  Busy: 503,
  Timeout: 504,
  NoSpace: 507,
};

export function problemOf(error: unknown, requestId: string): Problem {
  const wire = encodeError(error, "rpc");
  const status = STATUS[wire.class];
  return {
    type: "about:blank",
    title: wire.class,
    status,
    detail: wire.message,
    requestId,
    error: wire,
  };
}
