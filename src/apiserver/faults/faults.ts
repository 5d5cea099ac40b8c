/**
 * Faults on demand, for tests of what talks to an API server: handed to createApiServer, and told what shall go wrong
 * when. Never an option of the process.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Handler } from "../http/handler.ts";
import type { Store } from "../storage/store.ts";
import { describeRequest, type FaultedRequest, type Match, matches } from "./match.ts";
import { OldCache } from "./old-cache.ts";
import { type Cut, OpenWatches } from "./open-watches.ts";
import { halveAnswer, loseAnswer, type Refusal, refuse } from "./refusals.ts";

export type Fault =
  /** Answered with an error; nothing is done. */
  | ({ readonly kind: "refuse" } & Refusal)
  /** Held back for so many milliseconds, or until the promise resolves, then served. */
  | { readonly kind: "delay"; readonly until: number | Promise<unknown> }
  /**
   * The connection breaks: before anything is done (`before`), in the middle of the answer (`half`), or when it is
   * done and nobody is told (`after`).
   */
  | { readonly kind: "reset"; readonly when: "before" | "half" | "after" }
  /** A watch that is cut after so many events. */
  | { readonly kind: "cut"; readonly afterEvents: number; readonly how: Cut };

export interface Rule {
  /** Requests that met it so far. */
  readonly hits: number;
  remove(): void;
}

/** What the server lends its faults. */
export interface FaultHost {
  readonly handler: Handler;
  readonly store: Store;
  /** A second server over another view of the objects. */
  handlerOver(store: Store): Handler;
  /** Closes the port and breaks what is open. */
  stop(): Promise<void>;
  /** Opens the same port again. */
  start(): Promise<void>;
}

interface ActiveRule {
  readonly match: Match;
  readonly fault: Fault;
  left: number;
  hits: number;
}

export class Faults {
  readonly #onRequest: (request: FaultedRequest) => void;
  readonly #watches = new OpenWatches();
  readonly #rules = new Set<ActiveRule>();
  #host: FaultHost | undefined;
  #cache: OldCache | undefined;
  #stale: { readonly match: Match; readonly everyRead: boolean } | undefined;

  /** `onRequest` is told of every request before its fate is decided. */
  constructor(onRequest: (request: FaultedRequest) => void = () => {}) {
    this.#onRequest = onRequest;
  }

  /** The next `times` requests that fit meet the fault; rules are asked in the order in which they were made. */
  add(match: Match, fault: Fault, times = 1): Rule {
    const rule: ActiveRule = { match, fault, left: times, hits: 0 };
    this.#rules.add(rule);
    return {
      get hits() {
        return rule.hits;
      },
      remove: () => this.#rules.delete(rule),
    };
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** Cuts the watches that are open now; answers how many. */
  cutWatches(match: Match, how: Cut): number {
    return this.#watches.cut(match, how);
  }

  /**
   * From now on reads that fit are served by a second server whose cache stays where it is: watches, and lists and
   * gets that leave the version to a cache (`resourceVersion=0` or any); with `everyRead` all of them.
   */
  fallBehind(match: Match, everyRead = false): void {
    this.#stale = { match, everyRead };
    this.#lend().cache.fallBehind();
  }

  /** The second server's cache takes over the first `count` events that it missed, or all. */
  catchUp(count?: number): void {
    this.#lend().cache.catchUp(count);
  }

  /** The second server is gone; watches that it served are cut, as when its pod ends. */
  trustFirstServer(): void {
    if (this.#stale === undefined) return;
    this.#watches.cut(this.#stale.match, "reset");
    this.#stale = undefined;
    this.catchUp();
  }

  /** The server goes away: what is open breaks, connections are refused. */
  async stop(): Promise<void> {
    await this.#lend().host.stop();
  }

  /** It is back on the same port, and knows no past events, as a process that has just started. */
  async start(): Promise<void> {
    const { host, cache } = this.#lend();
    host.store.forgetHistory();
    cache.store.forgetHistory();
    await host.start();
  }

  /** No rule is left, and the second server is forgotten. */
  clear(): void {
    this.#rules.clear();
    this.trustFirstServer();
  }

  /** Called once, by the server: the handler with the faults before it. */
  attach(host: FaultHost): Handler {
    if (this.#host !== undefined) throw new TypeError("These faults belong to another API server already.");
    this.#host = host;
    this.#cache = new OldCache(host.store);
    const second = host.handlerOver(this.#cache.store);
    return (request, response) => {
      const described = describeRequest(request);
      this.#onRequest(described);
      const serve = this.#isStale(described) ? second : host.handler;
      this.#meet(described, serve, request, response);
    };
  }

  #meet(described: FaultedRequest, serve: Handler, request: IncomingMessage, response: ServerResponse): void {
    const fault = this.#faultFor(described);
    const goOn = (): void => {
      if (described.verb === "watch") this.#watches.add(described, response);
      serve(request, response);
    };
    switch (fault?.kind) {
      case undefined:
        goOn();
        break;
      case "refuse":
        refuse(request, response, fault);
        break;
      case "delay": {
        const { until } = fault;
        const passed = typeof until === "number" ? sleep(until, response) : until;
        void passed.then(() => {
          if (!response.destroyed) goOn();
        });
        break;
      }
      case "reset":
        if (fault.when === "before") {
          request.socket.destroy();
          break;
        }
        if (fault.when === "half") halveAnswer(request, response);
        else loseAnswer(request, response);
        goOn();
        break;
      case "cut":
        this.#watches.cutAfter(response, fault.afterEvents, fault.how);
        goOn();
        break;
    }
  }

  #faultFor(request: FaultedRequest): Fault | undefined {
    for (const rule of this.#rules) {
      if (!matches(rule.match, request)) continue;
      rule.left -= 1;
      rule.hits += 1;
      if (rule.left <= 0) this.#rules.delete(rule);
      return rule.fault;
    }
    return undefined;
  }

  #isStale(request: FaultedRequest): boolean {
    if (this.#stale === undefined || !matches(this.#stale.match, request)) return false;
    if (request.verb === "watch") return true;
    if (request.verb !== "get" && request.verb !== "list") return false;
    return this.#stale.everyRead || request.query.has("resourceVersion");
  }

  #lend(): { readonly host: FaultHost; readonly cache: OldCache } {
    if (this.#host === undefined || this.#cache === undefined) {
      throw new TypeError("No API server was made with these faults yet.");
    }
    return { host: this.#host, cache: this.#cache };
  }
}

function sleep(milliseconds: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    // Nobody waits for the answer any more.
    response.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
