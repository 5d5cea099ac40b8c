/**
 * Reflector: keeps a store in agreement with the server. Lists in pages, then watches from there; a broken watch goes
 * on where it stopped, an expired one lists again. It never gives up and never hurries: delays grow until something
 * has come through, since a listing that works while every watch fails would otherwise be a storm.
 */

import { type BackoffOptions, backoffDelay } from "./backoff.ts";
import type { KubeClient, WatchEvent } from "./client.ts";
import { type Clock, type Random, sleep } from "./clock.ts";
import { isExpired, KubeError } from "./error.ts";
import type { KubeObject, Resource } from "./object.ts";
import type { WriteStore } from "./store.ts";

/** Every fate of a listing or a watch by name: labels of a metric, and what tests wait for. */
export type ReflectorEvent =
  | { readonly kind: "listed"; readonly objects: number; readonly resourceVersion: string }
  | { readonly kind: "listFailed"; readonly error: unknown; readonly delay: number }
  | { readonly kind: "watching"; readonly resourceVersion: string }
  /** The server ended it, as it does after some minutes. */
  | { readonly kind: "watchEnded"; readonly delay: number }
  /** The version is too old (410, as a status or as an event): everything is listed again. */
  | { readonly kind: "watchExpired"; readonly delay: number }
  /** The server asked to come later. */
  | { readonly kind: "watchThrottled"; readonly error: unknown; readonly delay: number }
  /** No rights, or the resource is not there. */
  | { readonly kind: "watchRefused"; readonly error: unknown; readonly delay: number }
  /** The connection broke, or the server failed. */
  | { readonly kind: "watchBroken"; readonly error: unknown; readonly delay: number }
  | { readonly kind: "stopped" };

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly store: WriteStore<T>;
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly metadataOnly?: boolean | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent?: ((event: ReflectorEvent) => void) | undefined;
  /** Objects a page, 500 unless told. */
  readonly pageSize?: number | undefined;
  /** Delays after failures without progress; 100 ms up to 30 s unless told. */
  readonly backoff?: BackoffOptions | undefined;
}

const DEFAULT_BACKOFF: BackoffOptions = { base: 100, max: 30_000 };
/** Seconds that a watch is asked to last: between this and twice this, so that not all end together. */
const WATCH_SECONDS = 300;
/** A watch that lasted this long did its work although nothing happened, milliseconds. */
const LONG_ENOUGH = 60_000;
const LIST_TIMEOUT = 120_000;

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #scope: string;
  /** Attempts in a row that brought nothing. */
  #fruitless = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#scope = options.namespace ?? "";
  }

  /** Until the signal aborts; rejects only for a mistake of the caller. Nothing reaches the store after it resolved. */
  async run(signal: AbortSignal): Promise<void> {
    let version: string | undefined;
    while (!signal.aborted) {
      version = version === undefined ? await this.#list(signal) : await this.#watch(version, signal);
    }
    this.#tell({ kind: "stopped" });
  }

  /** The version of the listing; `undefined` when it failed, after a delay. */
  async #list(signal: AbortSignal): Promise<string | undefined> {
    const { client, resource, store, pageSize } = this.#options;
    try {
      const page = await client.listAll(resource, {
        ...this.#selection(),
        limit: pageSize,
        timeout: LIST_TIMEOUT,
        signal,
      });
      if (signal.aborted) return undefined;
      store.replace(this.#scope, page.items, page.resourceVersion);
      this.#tell({ kind: "listed", objects: page.items.length, resourceVersion: page.resourceVersion });
      return page.resourceVersion;
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof TypeError) throw error;
      await this.#pause(signal, retryAfterOf(error), (delay) => ({ kind: "listFailed", error, delay }));
      return undefined;
    }
  }

  /** The version to go on from; `undefined` when everything must be listed again. */
  async #watch(from: string, signal: AbortSignal): Promise<string | undefined> {
    const { client, resource, clock, random } = this.#options;
    const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + random()));
    const started = clock.monotonic();
    let version = from;
    this.#tell({ kind: "watching", resourceVersion: from });
    try {
      const selection = this.#selection();
      for await (const event of client.watch(resource, {
        ...selection,
        resourceVersion: from,
        timeoutSeconds,
        signal,
      })) {
        if (signal.aborted) return undefined;
        version = this.#take(event);
        this.#fruitless = 0;
      }
      if (signal.aborted) return undefined;
      if (version !== from || clock.monotonic() - started >= LONG_ENOUGH) {
        this.#fruitless = 0;
        this.#tell({ kind: "watchEnded", delay: 0 });
      } else {
        await this.#pause(signal, 0, (delay) => ({ kind: "watchEnded", delay }));
      }
      return version;
    } catch (error) {
      if (signal.aborted) return undefined;
      await this.#pause(signal, retryAfterOf(error), (delay) => fate(error, delay));
      // What cannot be read may have held an event: only a listing tells what it was.
      return isExpired(error) || (error instanceof KubeError && error.reason === "BadAnswer")
        ? undefined
        : version;
    }
  }

  #take(event: WatchEvent<T>): string {
    const { store } = this.#options;
    if (event.type === "BOOKMARK") {
      store.progress(this.#scope, event.resourceVersion);
      return event.resourceVersion;
    }
    if (event.type === "DELETED") store.remove(this.#scope, event.object);
    else store.upsert(this.#scope, event.object);
    return event.object.metadata.resourceVersion;
  }

  #selection() {
    const { namespace, labelSelector, fieldSelector, metadataOnly } = this.#options;
    return { namespace, labelSelector, fieldSelector, metadataOnly };
  }

  async #pause(
    signal: AbortSignal,
    atLeast: number,
    event: (delay: number) => ReflectorEvent,
  ): Promise<void> {
    const { clock, random, backoff = DEFAULT_BACKOFF } = this.#options;
    this.#fruitless += 1;
    const delay = Math.max(backoffDelay(this.#fruitless, backoff, random), atLeast);
    this.#tell(event(delay));
    await sleep(clock, delay, signal);
  }

  #tell(event: ReflectorEvent): void {
    this.#options.onEvent?.(event);
  }
}

function fate(error: unknown, delay: number): ReflectorEvent {
  if (isExpired(error)) return { kind: "watchExpired", delay };
  if (error instanceof KubeError) {
    if (error.status === 429) return { kind: "watchThrottled", error, delay };
    if ([401, 403, 404, 405].includes(error.status)) return { kind: "watchRefused", error, delay };
  }
  return { kind: "watchBroken", error, delay };
}

function retryAfterOf(error: unknown): number {
  return error instanceof KubeError ? (error.retryAfter ?? 0) : 0;
}
