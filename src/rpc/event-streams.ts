/** The agent's side of the event streams: what the client under it reports, as NDJSON, to everyone who listens. */

import type { DeviceEvent, HsmClient } from "../hsm/client.ts";
import type { Clock } from "./clock.ts";
import type { StreamLine } from "./contract.ts";

const MOST_STREAMS = 16;
/** Lines that may wait for a reader that does not read; past that it has to open the stream anew. */
const MOST_WAITING = 1024;

export class EventStreams {
  readonly #client: HsmClient;
  readonly #clock: Clock;
  readonly #heartbeat: number;
  readonly #open = new Set<() => void>();

  constructor(client: HsmClient, clock: Clock, heartbeat: number) {
    this.#client = client;
    this.#clock = clock;
    this.#heartbeat = heartbeat;
  }

  /** The body of one stream; `undefined` when too many are open. */
  open(): ReadableStream<Uint8Array> | undefined {
    if (this.#open.size >= MOST_STREAMS) return undefined;
    const encoder = new TextEncoder();
    const ended = new AbortController();
    let cancelBeat: () => void = () => {};
    let end: () => void = () => {};
    const stop = (): void => {
      ended.abort();
      cancelBeat();
      this.#open.delete(end);
    };
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const send = (line: StreamLine | DeviceEvent): void => {
            if (!ended.signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
          };
          end = () => {
            if (ended.signal.aborted) return;
            send({ kind: "bye" });
            stop();
            controller.close();
          };
          this.#open.add(end);
          const beat = (): void => {
            cancelBeat = this.#clock.after(this.#heartbeat, () => {
              send({ kind: "alive" });
              if (!ended.signal.aborted) beat();
            });
          };
          const follow = async (): Promise<void> => {
            // Subscribed before `hello` is said: what changes after it is reported.
            const events = this.#client.changes(ended.signal)[Symbol.asyncIterator]();
            let next = events.next();
            send({ kind: "hello" });
            beat();
            for (let step = await next; step.done !== true; step = await next) {
              const waiting = -(controller.desiredSize ?? 0);
              if (waiting > MOST_WAITING) break;
              send(step.value);
              next = events.next();
            }
          };
          follow().then(end, end);
        },
        cancel: stop,
      },
      { highWaterMark: 0 },
    );
  }

  end(): void {
    for (const end of [...this.#open]) end();
  }
}
