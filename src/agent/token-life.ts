/**
 * The life of the agent's token: opened, lost, back, opened anew with another PIN. An HsmClient all the while: with
 * no token it answers with the reason. A refused PIN is not tried again; the next one in the file is.
 */

import { createHmac, randomBytes } from "node:crypto";
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
import { ChangeFeed } from "../hsm/store/change-feed.ts";
import type { CallOptions, TokenInfo } from "../hsm/token.ts";
import { type Clock, jittered } from "../rpc/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { UsageError } from "./options.ts";

export interface OpenedToken {
  readonly client: HsmClient;
  /** Tells of a call that does not return; returns what takes the listener off. */
  onHung(listener: (operation: string) => void): () => void;
}

export interface TokenLifeOptions {
  /** Wipes the PIN, whatever comes of it. */
  readonly open: (pin: Uint8Array) => Promise<OpenedToken>;
  readonly readPin: () => Promise<Uint8Array>;
  /** A sentence when this is not the token that the agent was made for. */
  readonly refuseToken: (info: TokenInfo) => string | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export type TokenStatus =
  | { readonly state: "open" }
  /** `reason` is one sentence. */
  | { readonly state: "closed" | "gone" | "hung"; readonly reason: string };

const FIRST_RETRY = 1_000;
const LONGEST_RETRY = 30_000;

export class TokenLife implements HsmClient {
  readonly #options: TokenLifeOptions;
  readonly #feed = new ChangeFeed();
  /** Tells two PINs apart without keeping either. */
  readonly #pinKey = randomBytes(32);
  #lastPin: string | undefined;
  #opened: OpenedToken | undefined;
  #following = new AbortController();
  #error = new HsmError("Busy", "The token is being opened.", { operation: "open" });
  #gone: string | undefined;
  #hung: string | undefined;
  #retry = FIRST_RETRY;
  #cancelRetry: () => void = () => {};
  #work: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(options: TokenLifeOptions) {
    this.#options = options;
  }

  /**
   * Tries to open the token. Rejects for what only a person can mend (no PIN file, a module that is no library);
   * a token that is away, busy or refuses the PIN is waited for.
   */
  async start(): Promise<void> {
    await this.#inOrder(() => this.#open(true));
  }

  /** The PIN file may have changed. Another PIN than the last one is tried, once. */
  async pinFileChanged(): Promise<void> {
    await this.#inOrder(async () => {
      if (this.#ended) return;
      const { log, readPin } = this.#options;
      try {
        const pin = await readPin();
        const same = this.#markOf(pin) === this.#lastPin;
        pin.fill(0);
        if (same) return;
      } catch (error) {
        log.warn("the PIN file cannot be used; the PIN in use stays", {}, error);
        return;
      }
      log.info("the PIN file has changed: the token is opened with the new PIN");
      await this.#letGo(new HsmError("Busy", "The token is being opened anew.", { operation: "open" }));
      await this.#open(false);
    });
  }

  status(): TokenStatus {
    if (this.#hung !== undefined) return { state: "hung", reason: this.#hung };
    if (this.#gone !== undefined) return { state: "gone", reason: this.#gone };
    if (this.#opened === undefined) return { state: "closed", reason: this.#error.message };
    return { state: "open" };
  }

  async info(options?: CallOptions): Promise<TokenInfo> {
    return this.#client("info").info(options);
  }

  async pool(options?: CallOptions): Promise<PoolIdentity | undefined> {
    return this.#client("pool").pool(options);
  }

  async setPool(pool: PoolIdentity, options?: CallOptions): Promise<void> {
    return this.#client("setPool").setPool(pool, options);
  }

  /** While the token is away there is no listing, not even the one that is still known. */
  async list(options?: ListOptions): Promise<Listing> {
    return this.#client("list").list(options);
  }

  async read(path: string, options?: ReadOptions): Promise<ReadResult> {
    return this.#client("read").read(path, options);
  }

  async write(requests: readonly WriteRequest[], options?: CallOptions): Promise<readonly WriteResult[]> {
    return this.#client("write").write(requests, options);
  }

  async history(path: string, options?: CallOptions): Promise<readonly HistoryEntry[]> {
    return this.#client("history").history(path, options);
  }

  /** Not refused while the token is away: it is how one finds out that it is back. */
  async refresh(options?: CallOptions): Promise<Listing> {
    if (this.#opened === undefined) throw this.#error;
    return this.#opened.client.refresh(options);
  }

  changes(signal: AbortSignal): AsyncIterable<DeviceEvent> {
    return this.#feed.subscribe(signal);
  }

  async close(): Promise<void> {
    this.#ended = true;
    this.#cancelRetry();
    this.#feed.close();
    await this.#inOrder(() =>
      this.#letGo(new HsmError("TokenGone", "The agent is stopping.", { operation: "close" })),
    );
  }

  #client(operation: string): HsmClient {
    if (this.#gone !== undefined) throw new HsmError("TokenGone", this.#gone, { operation });
    if (this.#opened === undefined) throw this.#error;
    return this.#opened.client;
  }

  async #open(first: boolean): Promise<void> {
    if (this.#ended || this.#opened !== undefined) return;
    this.#cancelRetry();
    const { log } = this.#options;
    let opened: OpenedToken | undefined;
    try {
      const pin = await this.#options.readPin();
      this.#lastPin = this.#markOf(pin);
      opened = await this.#options.open(pin);
      const info = await opened.client.info();
      const refusal = this.#options.refuseToken(info);
      if (refusal !== undefined) throw new HsmError("BadInput", refusal, { operation: "open" });
      this.#take(opened);
      log.info("token opened", {
        serialNumber: info.serialNumber,
        label: info.label,
        library: info.library,
        partSize: info.partSize,
        objectCapacity: info.objectCapacity,
      });
    } catch (error) {
      await opened?.client.close().catch(() => undefined);
      if (first && mendable(error)) throw error;
      this.#wait(error);
    }
  }

  #take(opened: OpenedToken): void {
    this.#opened = opened;
    this.#retry = FIRST_RETRY;
    this.#gone = undefined;
    this.#hung = undefined;
    this.#following = new AbortController();
    const { signal } = this.#following;
    const removeHung = opened.onHung((operation) => {
      this.#hung = `${operation} does not return.`;
      this.#options.log.error("the token hangs", { operation });
    });
    signal.addEventListener("abort", removeHung, { once: true });
    void this.#follow(opened.client.changes(signal));
    void opened.client.list().then(
      ({ version }) => this.#feed.publish({ kind: "back", version }),
      () => undefined,
    );
  }

  async #follow(events: AsyncIterable<DeviceEvent>): Promise<void> {
    const { log } = this.#options;
    for await (const event of events) {
      if (event.kind === "gone") {
        this.#gone = event.reason;
        log.warn("the token is gone", { reason: event.reason });
      }
      if (event.kind === "back") {
        this.#gone = undefined;
        this.#hung = undefined;
        log.info("the token is back");
      }
      this.#feed.publish(event);
    }
  }

  #wait(error: unknown): void {
    const { clock, log, random } = this.#options;
    this.#error = toHsmError(error);
    this.#feed.publish({ kind: "gone", reason: this.#error.message });
    if (this.#error.class === "AuthFailed" || this.#error.class === "PinLocked") {
      log.error("the token refuses the PIN; it is not tried again until the PIN file changes", {
        reason: this.#error.message,
      });
      return;
    }
    log.warn("the token cannot be opened; tried again later", { reason: this.#error.message }, error);
    this.#cancelRetry = clock.after(jittered(this.#retry, random), () => {
      void this.#inOrder(() => this.#open(false));
    });
    this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY);
  }

  async #letGo(error: HsmError): Promise<void> {
    this.#error = error;
    const opened = this.#opened;
    this.#opened = undefined;
    this.#gone = undefined;
    this.#following.abort();
    if (opened === undefined) return;
    this.#feed.publish({ kind: "gone", reason: error.message });
    await opened.client.close().catch((cause: unknown) => {
      this.#options.log.warn("the token was not closed properly", {}, cause);
    });
  }

  #inOrder(job: () => Promise<void>): Promise<void> {
    const done = this.#work.then(job);
    this.#work = done.catch(() => undefined);
    return done;
  }

  #markOf(pin: Uint8Array): string {
    return createHmac("sha256", this.#pinKey).update(pin).digest("hex");
  }
}

/** What no waiting mends. */
function mendable(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof HsmError && error.class === "BadInput");
}

function toHsmError(error: unknown): HsmError {
  if (error instanceof HsmError) return error;
  if (error instanceof UsageError) return new HsmError("AuthFailed", error.message, { operation: "open" });
  return new HsmError("Internal", "The token cannot be opened; the log says why.", {
    operation: "open",
    cause: error,
  });
}
