/** Hands device events to any number of slow readers; each gets every path, merged while it is busy. */

import type { DeviceEvent } from "../client.ts";

export class ChangeFeed {
  readonly #readers = new Set<Reader>();
  #closed = false;

  publish(event: DeviceEvent): void {
    for (const reader of this.#readers) reader.push(event);
  }

  /** Events from this call on, whether or not anybody iterates yet. */
  subscribe(signal: AbortSignal): AsyncIterable<DeviceEvent> {
    const reader = new Reader();
    if (this.#closed || signal.aborted) reader.end();
    else {
      this.#readers.add(reader);
      const stop = () => reader.end();
      signal.addEventListener("abort", stop, { once: true });
      reader.onEnd = () => {
        signal.removeEventListener("abort", stop);
        this.#readers.delete(reader);
      };
    }
    return reader;
  }

  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.end();
  }
}

class Reader implements AsyncIterable<DeviceEvent>, AsyncIterator<DeviceEvent> {
  onEnd: () => void = () => {};
  readonly #events: DeviceEvent[] = [];
  readonly #waiting: ((result: IteratorResult<DeviceEvent>) => void)[] = [];
  #ended = false;

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(event: DeviceEvent): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting({ done: false, value: event });
      return;
    }
    const last = this.#events.at(-1);
    if (event.kind === "changed" && last?.kind === "changed") {
      // A reader that is busy finds one event with all paths: the queue cannot grow with the number of writes.
      this.#events[this.#events.length - 1] = {
        kind: "changed",
        version: event.version,
        paths: [...new Set([...last.paths, ...event.paths])],
      };
    } else if (event.kind === "changed" || last?.kind !== event.kind) {
      this.#events.push(event);
    }
  }

  async next(): Promise<IteratorResult<DeviceEvent>> {
    const event = this.#events.shift();
    if (event !== undefined) return { done: false, value: event };
    if (this.#ended) return { done: true, value: undefined };
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async return(): Promise<IteratorResult<DeviceEvent>> {
    this.end();
    return { done: true, value: undefined };
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onEnd();
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }
}
