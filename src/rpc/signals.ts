import { setMaxListeners } from "node:events";

/**
 * Joins abort signals for one call. AbortSignal.any would keep something for each call on signals that live as long
 * as the client; this lets go of them when the call is over.
 */
export function joinSignals(signals: readonly (AbortSignal | undefined)[]): {
  readonly signal: AbortSignal;
  release(): void;
} {
  const controller = new AbortController();
  const undo: (() => void)[] = [];
  for (const signal of signals) {
    if (signal === undefined) continue;
    const abort = (): void => controller.abort(signal.reason);
    if (signal.aborted) abort();
    // One listener a call under way, each taken off again: many are no leak.
    setMaxListeners(0, signal);
    signal.addEventListener("abort", abort, { once: true });
    undo.push(() => signal.removeEventListener("abort", abort));
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const remove of undo) remove();
    },
  };
}
