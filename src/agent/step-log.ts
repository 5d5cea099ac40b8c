/**
 * Logs each step of a write at debug level: what was created, when it was proven, what was destroyed. Names and
 * generations only; the values pass by unseen.
 */

import type {
  CallOptions,
  ObjectOperation,
  ObjectToken,
  OperationOutcome,
  ReadOutcome,
  TokenEvent,
  TokenInfo,
  TokenListing,
} from "../hsm/token.ts";
import type { Logger } from "../telemetry/log.ts";

interface Named {
  readonly path: string;
  readonly generation: string;
}

export class StepLog implements ObjectToken {
  readonly #token: ObjectToken;
  readonly #log: Logger;
  readonly #names = new Map<number, Named>();
  /** Created and not proven yet. */
  readonly #unproven = new Map<number, Named>();

  constructor(token: ObjectToken, log: Logger) {
    this.#token = token;
    this.#log = log;
  }

  info(): TokenInfo {
    return this.#token.info();
  }

  async list(options?: CallOptions): Promise<TokenListing> {
    return this.#learn(await this.#token.list(options));
  }

  async read(ids: readonly number[], options?: CallOptions): Promise<readonly ReadOutcome[]> {
    const outcomes = await this.#token.read(ids, options);
    if (this.#unproven.size > 0) {
      for (const outcome of outcomes) {
        const named = this.#unproven.get(outcome.id);
        if (named === undefined) continue;
        this.#unproven.delete(outcome.id);
        this.#step("value" in outcome ? "read back" : "not readable", named);
      }
    }
    return outcomes;
  }

  async apply(
    operations: readonly ObjectOperation[],
    options?: CallOptions,
  ): Promise<readonly OperationOutcome[]> {
    for (const operation of operations) this.#step(ANNOUNCED[operation.kind], this.#nameOf(operation));
    const outcomes = await this.#token.apply(operations, options);
    for (const [i, operation] of operations.entries()) {
      const outcome = outcomes[i];
      if (outcome === undefined) continue;
      const named = this.#nameOf(operation);
      if (outcome.kind === "created") {
        this.#names.set(outcome.id, named);
        this.#unproven.set(outcome.id, named);
      }
      if (operation.kind === "destroy" && outcome.kind === "destroyed") this.#forget(operation.id);
      const reason = outcome.kind === "failed" ? outcome.error.message : undefined;
      this.#step(outcome.kind, named, reason);
    }
    return outcomes;
  }

  async refresh(options?: CallOptions): Promise<TokenListing> {
    this.#log.debug("write step", { step: "refreshing", unproven: this.#unproven.size });
    const listing = await this.#token.refresh(options);
    this.#log.debug("write step", { step: "refreshed", unproven: this.#unproven.size });
    return this.#learn(listing);
  }

  random(length: number, options?: CallOptions): Promise<Uint8Array> {
    return this.#token.random(length, options);
  }

  onEvent(listener: (event: TokenEvent) => void): () => void {
    return this.#token.onEvent(listener);
  }

  close(): Promise<void> {
    return this.#token.close();
  }

  #step(step: string, { path, generation }: Named, reason?: string): void {
    this.#log.debug("write step", { step, path, generation, reason });
  }

  #nameOf(operation: ObjectOperation): Named {
    if (operation.kind === "create") return named(operation.label, operation.application);
    return this.#names.get(operation.id) ?? { path: "unknown", generation: "" };
  }

  #learn(listing: TokenListing): TokenListing {
    if (!this.#log.isEnabled("debug")) return listing;
    this.#names.clear();
    for (const { id, label, application } of listing.objects) this.#names.set(id, named(label, application));
    for (const id of this.#unproven.keys()) if (!this.#names.has(id)) this.#unproven.delete(id);
    return listing;
  }

  #forget(id: number): void {
    this.#names.delete(id);
    this.#unproven.delete(id);
  }
}

const ANNOUNCED = { create: "creating", destroy: "destroying" } as const;

function named(label: string | null, application: string | null): Named {
  return { path: label ?? "unknown", generation: / g=(\d+) /.exec(application ?? "")?.[1] ?? "" };
}
