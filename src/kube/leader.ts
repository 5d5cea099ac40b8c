/**
 * Leader election on a Lease. At most one process leads: whoever leads stops before its lease can pass to another.
 *
 * No two clocks are compared. A lease of another has run out when it has not changed for its duration as measured here,
 * by a clock that never jumps; our own counts from before the request that renewed it.
 */

import { type Logger, silentLogger } from "../telemetry/log.ts";
import type { KubeClient } from "./client.ts";
import { type Clock, type Random, sleep, systemClock } from "./clock.ts";
import { microTimeOf } from "./conditions.ts";
import { isAlreadyExists, isConflict } from "./error.ts";
import { LEASES, type Lease } from "./resources.ts";

export interface LeaderOptions {
  readonly client: Pick<KubeClient, "find" | "create" | "update">;
  readonly namespace: string;
  readonly name: string;
  /** Unique among the candidates, e.g. the pod's name and a random part. */
  readonly identity: string;
  /** Milliseconds after which others may take a lease that is not renewed; whole seconds, 15,000 unless told. */
  readonly leaseDuration?: number | undefined;
  /** Milliseconds without a renewal after which we stop leading; less than the duration, 10,000 unless told. */
  readonly renewDeadline?: number | undefined;
  /** Milliseconds between tries, 2,000 unless told. */
  readonly retryPeriod?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
  readonly onChange?: ((leading: boolean) => void) | undefined;
}

export interface LeaderElector {
  readonly leading: boolean;
  /**
   * Waits for the lease, then runs `lead`, whose signal aborts when the lease is lost or `signal` aborts: no write may
   * begin after that. The lease is released when `lead` has ended; a lost one is waited for again. Resolves once
   * `signal` has aborted and `lead` is through.
   */
  run(signal: AbortSignal, lead: (fence: AbortSignal) => Promise<void>): Promise<void>;
}

export function createLeaderElector(options: LeaderOptions): LeaderElector {
  return new LeaseElector(options);
}

class LeaseElector implements LeaderElector {
  readonly #options: LeaderOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #leaseDuration: number;
  readonly #renewDeadline: number;
  readonly #retryPeriod: number;
  /** The lease as last seen, and when its content last changed by our clock. */
  #seen: { readonly version: string; readonly at: number } | undefined;
  #lease: Lease | undefined;
  #leading = false;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#leaseDuration = options.leaseDuration ?? 15_000;
    this.#renewDeadline = options.renewDeadline ?? 10_000;
    this.#retryPeriod = options.retryPeriod ?? 2_000;
    if (this.#renewDeadline >= this.#leaseDuration || this.#retryPeriod >= this.#renewDeadline) {
      throw new TypeError("Leader election needs retryPeriod < renewDeadline < leaseDuration.");
    }
  }

  get leading(): boolean {
    return this.#leading;
  }

  async run(signal: AbortSignal, lead: (fence: AbortSignal) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      const renewedAt = await this.#acquire(signal);
      if (renewedAt === undefined) return;
      await this.#lead(signal, lead, renewedAt);
    }
  }

  /** When the request that gave us the lease was sent; `undefined` once the signal aborted. */
  async #acquire(signal: AbortSignal): Promise<number | undefined> {
    const { random = Math.random } = this.#options;
    while (!signal.aborted) {
      const at = this.#clock.monotonic();
      if (await this.#try(signal, this.#retryPeriod)) return at;
      await sleep(this.#clock, this.#retryPeriod * (1 + 0.2 * random()), signal);
    }
    return undefined;
  }

  async #lead(
    signal: AbortSignal,
    lead: (fence: AbortSignal) => Promise<void>,
    since: number,
  ): Promise<void> {
    const fence = new AbortController();
    const stop = () => fence.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    this.#change(true);
    const renewing = this.#renew(fence, since);
    try {
      await lead(fence.signal);
    } finally {
      fence.abort(new Error("no longer the leader"));
      signal.removeEventListener("abort", stop);
      const held = await renewing;
      this.#change(false);
      if (held) await this.#release();
    }
  }

  /** Renews until the fence falls; lowers it itself at the deadline. True when the lease is still ours. */
  async #renew(fence: AbortController, since: number): Promise<boolean> {
    let held = true;
    const lose = (why: string) => {
      held = false;
      this.#logger.warn("leadership lost", { lease: this.#options.name, why });
      fence.abort(new Error(`no longer the leader: ${why}`));
    };
    let cancel = () => {};
    // The deadline is a timer of its own: a request that hangs must not hold it up.
    const expect = (renewedAt: number) => {
      cancel();
      const left = renewedAt + this.#renewDeadline - this.#clock.monotonic();
      cancel = this.#clock.after(left, () => lose("the lease could not be renewed in time"));
    };
    expect(since);
    while (!fence.signal.aborted) {
      await sleep(this.#clock, this.#retryPeriod, fence.signal);
      if (fence.signal.aborted) break;
      const at = this.#clock.monotonic();
      if (await this.#try(fence.signal, this.#renewDeadline)) expect(at);
      else if (this.#heldByAnother()) lose("another process took the lease");
    }
    cancel();
    return held;
  }

  /** One look at the lease and, where it is ours, free or run out, one write. True when it is ours afterwards. */
  async #try(signal: AbortSignal, timeout: number): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    const call = { signal, timeout };
    try {
      // Our own last answer is the latest version unless somebody wrote: the write finds out.
      let lease = this.#leading ? this.#lease : undefined;
      lease ??= await client.find(LEASES, { namespace, name }, call);
      if (lease !== undefined) this.#observe(lease);
      if (lease === undefined) {
        this.#observe(
          await client.create(LEASES, { metadata: { namespace, name }, ...this.#spec(undefined) }, call),
        );
        return true;
      }
      const holder = lease.spec?.holderIdentity ?? "";
      if (holder !== identity && holder !== "" && !this.#ranOut(lease)) return false;
      this.#observe(await client.update(LEASES, { ...lease, ...this.#spec(lease) }, call));
      return true;
    } catch (error) {
      // After a lost race the next look must be at the server's lease, not at ours.
      this.#lease = undefined;
      if (isConflict(error) || isAlreadyExists(error)) await this.#look(signal);
      else this.#logger.debug("lease not reached", { lease: name, cause: String(error) });
      return false;
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { client, namespace, name } = this.#options;
    try {
      const lease = await client.find(LEASES, { namespace, name }, { signal, timeout: this.#retryPeriod });
      if (lease !== undefined) this.#observe(lease);
    } catch {
      // The next try looks again.
    }
  }

  #observe(lease: Lease): void {
    this.#lease = lease;
    const version = lease.metadata.resourceVersion;
    if (this.#seen?.version !== version) this.#seen = { version, at: this.#clock.monotonic() };
  }

  #ranOut(lease: Lease): boolean {
    const duration = (lease.spec?.leaseDurationSeconds ?? 0) * 1000;
    return this.#seen !== undefined && this.#clock.monotonic() - this.#seen.at > duration;
  }

  #heldByAnother(): boolean {
    const holder = this.#lease?.spec?.holderIdentity;
    return holder !== undefined && holder !== "" && holder !== this.#options.identity;
  }

  #spec(lease: Lease | undefined): Pick<Lease, "spec"> {
    const { identity } = this.#options;
    const now = microTimeOf(this.#clock.now());
    const ours = lease?.spec?.holderIdentity === identity;
    const transitions = lease?.spec?.leaseTransitions ?? 0;
    return {
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(this.#leaseDuration / 1000),
        acquireTime: ours ? (lease.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: ours || lease === undefined ? transitions : transitions + 1,
      },
    };
  }

  /** Lets the next one in at once instead of after the duration. */
  async #release(): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) return;
    const spec = {
      ...lease.spec,
      holderIdentity: "",
      leaseDurationSeconds: 1,
      renewTime: microTimeOf(this.#clock.now()),
    };
    try {
      this.#observe(
        await this.#options.client.update(LEASES, { ...lease, spec }, { timeout: this.#retryPeriod }),
      );
    } catch (error) {
      this.#logger.debug("lease not released", { lease: this.#options.name, cause: String(error) });
    }
  }

  #change(leading: boolean): void {
    if (this.#leading === leading) return;
    this.#leading = leading;
    this.#logger.info(leading ? "leading" : "not leading", { lease: this.#options.name });
    this.#options.onChange?.(leading);
  }
}
