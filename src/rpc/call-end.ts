/**
 * Why a call shall stop before its answer: its deadline, its caller's signal, or the client that closes.
 *
 * An AbortController would do, but making one and joining it with others costs more than the rest of a call's
 * bookkeeping together: a call has exactly one listener at a time.
 */

import type { Clock } from "./clock.ts";

export class CallEnd {
  #aborted = false;
  #reason: unknown;
  #listener: (() => void) | undefined;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** The first reason stays. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#listener?.();
  }

  /** Told at most once; takes the place of the listener before it. `undefined` takes it off. */
  listen(listener: (() => void) | undefined): void {
    this.#listener = listener;
  }

  /** Ends with the signal; returns what lets go of it. */
  follow(signal: AbortSignal | undefined): () => void {
    if (signal === undefined) return () => {};
    const stop = (): void => this.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    return () => signal.removeEventListener("abort", stop);
  }

  /** Resolves after the time, or at once when the call ends. */
  delay(clock: Clock, milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#aborted) return resolve();
      const done = (): void => {
        cancel();
        this.listen(undefined);
        resolve();
      };
      const cancel = clock.after(milliseconds, done);
      this.listen(done);
    });
  }
}
