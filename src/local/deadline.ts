/** A signal that aborts with another one, or when its time is up. */

/**
 * AbortSignal.any over AbortSignal.timeout may be collected before it fires, when nothing but a listener holds it
 * (Node 20): a wait would then never end. This one is held by its timer.
 */
export async function withDeadline<T>(
  milliseconds: number,
  parent: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new Error(`not done in ${milliseconds / 1_000} s`)),
    milliseconds,
  );
  const abort = () => controller.abort(parent?.reason);
  parent?.addEventListener("abort", abort, { once: true });
  if (parent?.aborted === true) abort();
  try {
    return await run(controller.signal);
  } finally {
    clearTimeout(timer);
    parent?.removeEventListener("abort", abort);
  }
}
