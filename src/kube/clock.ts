/** Time and chance as arguments: tests play them, programs take `systemClock` and `Math.random`. */

export interface Clock {
  /** Wall clock, milliseconds since 1970: for people, never for deadlines. */
  now(): number;
  /** Milliseconds of a clock that never jumps. */
  monotonic(): number;
  /** Calls back once after `milliseconds`, unless the returned function is called before. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** A number in [0, 1). */
export type Random = () => number;

/** The longest delay that setTimeout keeps; it fires at once for longer ones. */
const LONGEST_TIMER = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(milliseconds, 0), LONGEST_TIMER));
    return () => clearTimeout(timer);
  },
};

/** Resolves after the time, or at once when the signal aborts: it never rejects, so look at the signal after it. */
export function sleep(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal?.aborted === true) {
      done();
      return;
    }
    const finish = () => {
      cancel();
      signal?.removeEventListener("abort", finish);
      done();
    };
    const cancel = clock.after(milliseconds, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
