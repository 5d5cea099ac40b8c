/** HsmClient over an agent: what the manager holds for each device. */

import * as v from "valibot";
import type {
  DeviceEvent,
  HistoryEntry,
  HsmClient,
  Listing,
  ListOptions,
  PoolIdentity,
  ReadOptions,
  ReadResult,
  WriteRequest,
  WriteResult,
} from "../hsm/client.ts";
import { HsmError } from "../hsm/errors.ts";
import type { CallOptions, TokenInfo } from "../hsm/token.ts";
import { CORRELATION_HEADER, correlationId, newCorrelationId } from "../telemetry/correlation.ts";
import { DEFAULT_DEADLINES, type Deadlines } from "./app.ts";
import { CallEnd } from "./call-end.ts";
import { followChanges } from "./changes.ts";
import { type Clock, delay, jittered, systemClock } from "./clock.ts";
import { type AgentAddress, AgentConnection, TransportError } from "./connection.ts";
import {
  CALLS,
  type CallName,
  callPath,
  HEARTBEAT,
  type ListingPage,
  MAX_RESPONSE_BYTES,
  problem,
  type ResponseOf,
  type WireRequest,
} from "./contract.ts";
import { decodeError, encodePool, encodeWriteRequest } from "./encode.ts";
import type { TlsSource } from "./material.ts";
import { joinSignals } from "./signals.ts";
import { batchRequests } from "./write-batches.ts";

export interface AgentClientOptions extends AgentAddress {
  readonly tls: TlsSource;
  /** Milliseconds for a call, retries included. */
  readonly deadlines?: Deadlines | undefined;
  /** Milliseconds between signs of life on the event stream; three without one and it is opened anew. */
  readonly heartbeat?: number | undefined;
  readonly clock?: Clock | undefined;
  /** In [0, 1); spreads retries. */
  readonly random?: (() => number) | undefined;
}

/** Milliseconds before the second and the third try of a call whose connection broke. */
const RETRIES: readonly number[] = [50, 400];
/** An answer that comes a little late says more than our own `Timeout`. */
const GRACE = 1_000;
/** Milliseconds that a write waits for an event stream that is being opened. */
const SUBSCRIPTION_WAIT = 5_000;
/** Listings are taken anew when the agent let go of a snapshot between two pages. */
const LIST_TRIES = 3;

export class AgentClient implements HsmClient {
  readonly #connection: AgentConnection;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #deadlines: Deadlines;
  readonly #heartbeat: number;
  readonly #closing = new AbortController();
  /** Calls that have no answer yet. */
  readonly #underWay = new Set<CallEnd>();
  /** Event streams that are being opened: what changes the token waits for them, so that they see it. */
  readonly #opening = new Set<Promise<void>>();

  constructor(options: AgentClientOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#deadlines = options.deadlines ?? DEFAULT_DEADLINES;
    this.#heartbeat = options.heartbeat ?? HEARTBEAT;
    this.#connection = new AgentConnection(options, options.tls, this.#clock);
  }

  async info(options?: CallOptions): Promise<TokenInfo> {
    return this.#call("info", {}, options);
  }

  async pool(options?: CallOptions): Promise<PoolIdentity | undefined> {
    return (await this.#call("pool", {}, options)).pool;
  }

  async setPool(pool: PoolIdentity, options?: CallOptions): Promise<void> {
    await this.#subscribed(options?.signal);
    await this.#call("setPool", encodePool(pool), options);
  }

  async list(options: ListOptions = {}): Promise<Listing> {
    const { signal, prefix, foreign } = options;
    const request = { ...(prefix === undefined ? {} : { prefix }), ...(foreign ? { foreign } : {}) };
    return this.#pages(() => this.#call("list", request, { signal }), { signal });
  }

  async read(path: string, options: ReadOptions = {}): Promise<ReadResult> {
    const { signal, generation, foreign } = options;
    const request = {
      path,
      ...(generation === undefined ? {} : { generation }),
      ...(foreign ? { foreign } : {}),
    };
    return this.#call("read", request, { signal });
  }

  async write(requests: readonly WriteRequest[], options?: CallOptions): Promise<readonly WriteResult[]> {
    await this.#subscribed(options?.signal);
    const results: WriteResult[] = [];
    for (const batch of batchRequests(requests)) {
      if (batch.kind === "tooLarge") {
        results.push({ status: "failed", error: batch.error });
        continue;
      }
      try {
        results.push(...(await this.#writeBatch(batch.requests, options)));
      } catch (error) {
        // What an earlier batch wrote must be told, so that the rest can only fail one by one.
        if (results.length === 0 || !(error instanceof HsmError)) throw error;
        for (const _ of batch.requests) results.push({ status: "failed", error });
      }
    }
    return results;
  }

  async #writeBatch(requests: readonly WriteRequest[], options?: CallOptions): Promise<WriteResult[]> {
    const wire = requests.map(encodeWriteRequest);
    const answer = await this.#call("write", { requests: wire }, options);
    if (answer.results.length !== wire.length) throw improper("write");
    return answer.results.map((result): WriteResult => {
      if (result.status === "failed") return { status: "failed", error: decodeError(result.error) };
      if (result.status === "conflict") return { status: "conflict", current: result.current };
      return result;
    });
  }

  async history(path: string, options?: CallOptions): Promise<readonly HistoryEntry[]> {
    return (await this.#call("history", { path }, options)).entries;
  }

  async refresh(options?: CallOptions): Promise<Listing> {
    await this.#subscribed(options?.signal);
    return this.#pages(() => this.#call("refresh", {}, options), options);
  }

  changes(signal: AbortSignal): AsyncIterable<DeviceEvent> {
    let opened: () => void = () => {};
    const opening = new Promise<void>((resolve) => {
      opened = resolve;
    });
    this.#opening.add(opening);
    void opening.then(() => this.#opening.delete(opening));
    return followChanges({
      connection: this.#connection,
      clock: this.#clock,
      random: this.#random,
      silence: 3 * this.#heartbeat,
      signal: joinSignals([signal, this.#closing.signal]).signal,
      currentVersion: async (until) => (await this.list({ prefix: POOL_ONLY, signal: until })).version,
      onFirstTry: opened,
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const end of [...this.#underWay]) end.abort(this.#closing.signal.reason);
    await this.#connection.close();
  }

  async #subscribed(signal: AbortSignal | undefined): Promise<void> {
    if (this.#opening.size === 0) return;
    const waited = new AbortController();
    const { signal: stop, release } = joinSignals([waited.signal, this.#closing.signal, signal]);
    await Promise.race([Promise.all(this.#opening), delay(this.#clock, SUBSCRIPTION_WAIT, stop)]);
    waited.abort();
    release();
  }

  async #pages(first: () => Promise<ListingPage>, options: CallOptions | undefined): Promise<Listing> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        let page = await first();
        const { version, objectsUsed, objectCapacity } = page;
        const entries = [...page.entries];
        const problems = [...page.problems];
        while (page.next !== undefined) {
          page = await this.#call("page", page.next, options);
          entries.push(...page.entries);
          problems.push(...page.problems);
        }
        return { entries, problems, version, objectsUsed, objectCapacity };
      } catch (error) {
        const lost = error instanceof HsmError && error.class === "Busy" && error.operation === "list";
        if (!lost || attempt >= LIST_TRIES) throw error;
      }
    }
  }

  async #call<N extends CallName>(
    name: N,
    request: WireRequest<N>,
    options?: CallOptions,
  ): Promise<ResponseOf<N>> {
    const deadline = this.#deadlines[CALLS[name].deadline];
    const end = new CallEnd();
    const cancel = this.#clock.after(deadline + GRACE, () => {
      const message = `The agent at ${this.#connection.address} did not answer within ${deadline / 1000} s.`;
      end.abort(new HsmError("Timeout", message, { operation: name }));
    });
    const release = end.follow(options?.signal);
    if (this.#closing.signal.aborted) end.abort(this.#closing.signal.reason);
    this.#underWay.add(end);
    const requestId = correlationId() ?? newCorrelationId();
    const body = JSON.stringify(request);
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          if (end.aborted) throw end.reason;
          return await this.#once(name, body, requestId, end);
        } catch (error) {
          // Every call may be repeated: reads change nothing, a write that finds its own record has succeeded.
          const wait = RETRIES[attempt];
          const again = error instanceof TransportError && error.transient && wait !== undefined;
          if (!again || end.aborted) throw this.#reasonOf(error, end, name);
          await end.delay(this.#clock, jittered(wait, this.#random));
        }
      }
    } finally {
      cancel();
      release();
      this.#underWay.delete(end);
    }
  }

  async #once<N extends CallName>(
    name: N,
    body: string,
    requestId: string,
    end: CallEnd,
  ): Promise<ResponseOf<N>> {
    const headers = { "content-type": "application/json", [CORRELATION_HEADER]: requestId };
    const path = callPath(name);
    const { statusCode, text } = await this.#connection.ask({
      path,
      headers,
      body,
      most: MAX_RESPONSE_BYTES,
      end,
    });
    const json = parseJson(text, name);
    if (statusCode === 200) {
      const schema: v.GenericSchema<unknown, ResponseOf<N>> = CALLS[name].response as never;
      const result = v.safeParse(schema, json, { abortEarly: true });
      if (result.success) return result.output;
      throw improper(name);
    }
    const refused = v.safeParse(problem, json);
    if (!refused.success) throw improper(name);
    throw decodeError(refused.output.error, requestId);
  }

  /** What ended a call: our own deadline and close are sentences of ours, the caller's signal keeps its reason. */
  #reasonOf(error: unknown, end: CallEnd, operation: string): unknown {
    if (!end.aborted) return error;
    if (end.reason instanceof HsmError) return end.reason;
    if (this.#closing.signal.aborted)
      return new HsmError("TokenGone", "The client is closed.", { operation });
    return end.reason;
  }
}

/** A prefix under which next to nothing lies: the listing's version is all that is asked for. */
const POOL_ONLY = "_pool";

function parseJson(text: string, operation: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw improper(operation);
  }
}

/** Said without a cause: the text of a parse error may quote a value. */
function improper(operation: string): HsmError {
  const message = "The agent's answer is not what the contract says; are agent and manager of one version?";
  return new HsmError("Internal", message, { operation });
}
