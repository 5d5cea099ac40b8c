/** One call to the API server: headers, deadline, a renewed token after a 401, and patience with a server that asks for it. */

import { errorOf, parseJson } from "./answer.ts";
import type { CallOptions } from "./client.ts";
import { type Clock, type Random, sleep } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { KubeError } from "./error.ts";
import type { HttpAnswer, HttpRequest, Transport } from "./transport.ts";

/** A request that was sent, for metrics. */
export interface SentRequest {
  readonly verb: string;
  readonly resource: string;
  /** HTTP status, 0 when there was no answer. */
  readonly status: number;
  /** Milliseconds until the answer began. */
  readonly duration: number;
}

export interface ExchangeOptions {
  readonly userAgent: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onRequest?: ((request: SentRequest) => void) | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

export interface Call extends CallOptions {
  readonly verb: string;
  readonly resource: string;
  readonly method: HttpRequest["method"];
  readonly path: string;
  readonly accept?: string | undefined;
  readonly contentType?: string | undefined;
  readonly body?: unknown;
}

const DEFAULT_TIMEOUT = 30_000;
/** Tries of one call while the server asks to come again; the deadline usually ends it before. */
const TRIES = 10;
/** Waiting exactly as long as asked would bring all clients back at once. */
const JITTER = 0.25;

export class Exchange {
  readonly #connection: Connection;
  readonly #transport: Transport;
  readonly #options: ExchangeOptions;

  constructor(connection: Connection, transport: Transport, options: ExchangeOptions) {
    this.#connection = connection;
    this.#transport = transport;
    this.#options = options;
  }

  /** Sends, and gives the JSON of the answer. */
  async json(call: Call): Promise<unknown> {
    const { clock } = this.#options;
    const timeout = call.timeout ?? DEFAULT_TIMEOUT;
    const deadline = clock.monotonic() + timeout;
    const what = `${call.verb} ${call.path}`;
    const ended = new AbortController();
    const abort = () =>
      ended.abort(
        new KubeError(`${what}: given up by the caller.`, {
          status: 0,
          reason: "Aborted",
          cause: call.signal?.reason,
        }),
      );
    call.signal?.addEventListener("abort", abort, { once: true });
    if (call.signal?.aborted === true) abort();
    const cancelTimer = clock.after(timeout, () =>
      ended.abort(new KubeError(`${what}: no answer in ${timeout} ms.`, { status: 0, reason: "Timeout" })),
    );
    try {
      for (let attempt = 1; ; attempt += 1) {
        ended.signal.throwIfAborted();
        const outcome = await this.#once(call, ended.signal, what, attempt);
        if ("value" in outcome) return outcome.value;
        const wait = outcome.wait * (1 + JITTER * this.#options.random());
        if (attempt === TRIES || clock.monotonic() + wait >= deadline) throw outcome.error;
        await sleep(clock, wait, ended.signal);
      }
    } finally {
      cancelTimer();
      call.signal?.removeEventListener("abort", abort);
    }
  }

  async #once(
    call: Call,
    signal: AbortSignal,
    what: string,
    attempt: number,
  ): Promise<{ readonly value: unknown } | { readonly wait: number; readonly error: KubeError }> {
    const send = (request: HttpRequest) => this.#transport.call(request);
    const answer = await this.send(call, signal, send).catch((error: unknown) => {
      if (attempt === 1 && call.method === "GET" && isBrokenConnection(error)) return error;
      throw error;
    });
    if (answer instanceof KubeError) return { wait: 0, error: answer };
    if (answer.status >= 200 && answer.status < 300) {
      return { value: parseJson(await answer.text(), what) };
    }
    const error = await errorOf(answer, what);
    const { status, retryAfter } = error;
    // A server that names a time has not begun the request; a 5xx without one may have carried it out.
    if (retryAfter !== undefined && (status === 429 || status === 503)) {
      return { wait: Math.max(retryAfter, 100), error };
    }
    throw error;
  }

  /** Sends once, and once more with a renewed token when the server does not know the caller. */
  async send(
    call: Call,
    signal: AbortSignal,
    through: (request: HttpRequest) => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    const first = await this.#timed(call, signal, false, through);
    if (first.status !== 401) return first;
    first.discard();
    return this.#timed(call, signal, true, through);
  }

  async #timed(
    call: Call,
    signal: AbortSignal,
    refused: boolean,
    through: (request: HttpRequest) => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    const { clock, onRequest, onWarning, userAgent } = this.#options;
    const authorization = await this.#connection.authorization({ refused });
    const headers: Record<string, string> = {
      accept: call.accept ?? "application/json",
      "user-agent": userAgent,
    };
    if (authorization !== undefined) headers["authorization"] = authorization;
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    if (body !== undefined) headers["content-type"] = call.contentType ?? "application/json";
    const { method, path, verb, resource } = call;
    const started = clock.monotonic();
    let status = 0;
    try {
      const answer = await through({ method, path, headers, signal, body });
      status = answer.status;
      const warning = answer.header("warning");
      if (warning !== undefined) onWarning?.(warning);
      return answer;
    } finally {
      onRequest?.({ verb, resource, status, duration: clock.monotonic() - started });
    }
  }
}

/** A kept connection that the server closed just when it was used again; a read may simply be sent anew. */
function isBrokenConnection(error: unknown): error is KubeError {
  if (!(error instanceof KubeError) || error.reason !== "Unreachable") return false;
  const { cause } = error;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}
