/** Events of events.k8s.io/v1: what `kubectl describe` shows below an object. */

import { createHash } from "node:crypto";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import type { KubeClient } from "./client.ts";
import { type Clock, systemClock } from "./clock.ts";
import { microTimeOf } from "./conditions.ts";
import { isNotFound } from "./error.ts";
import { type KubeObject, keyOf } from "./object.ts";
import { EVENTS } from "./resources.ts";

export interface EventInput {
  readonly regarding: KubeObject;
  readonly type: "Normal" | "Warning";
  /** CamelCase, e.g. `Synced`: at most 128 characters. */
  readonly reason: string;
  /** What was done or tried, e.g. `WriteSecret`: at most 128 characters. */
  readonly action: string;
  /** One sentence; cut at 1,024 bytes. Never a value. */
  readonly note: string;
  readonly related?: KubeObject | undefined;
}

export interface EventRecorder {
  /** Never fails and never waits: what cannot be written is counted and dropped. Equal events become a series. */
  record(event: EventInput): void;
  /** Writes what is waiting. */
  flush(): Promise<void>;
  /** Flushes, then takes no more. */
  close(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** E.g. `hsm.j5t.io/manager`. */
  readonly controller: string;
  /** E.g. the pod's name. */
  readonly instance: string;
  /** For events about cluster-scoped objects. */
  readonly namespace: string;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  /** What was written, or lost, for metrics. */
  readonly onEvent?: ((outcome: "written" | "dropped") => void) | undefined;
}

/** An equal event within this time is one more of a series, milliseconds. */
const SERIES_WINDOW = 6 * 60_000;
/** A series that goes on is written at most this often, milliseconds: an object in trouble must not write each second. */
const SERIES_PAUSE = 30_000;
const MOST_WAITING = 1_000;
const MOST_SERIES = 4_096;
const LONGEST_NOTE = 1_024;

interface Series {
  readonly name: string;
  readonly namespace: string;
  readonly input: EventInput;
  count: number;
  /** Count that the server has; 0 before the first write. */
  written: number;
  lastSeen: number;
  lastWritten: number;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  return new Recorder(options);
}

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** In order of last use. */
  readonly #series = new Map<string, Series>();
  readonly #waiting = new Set<Series>();
  #writing: Promise<void> | undefined;
  #timer: (() => void) | undefined;
  #closed = false;
  #serial = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  record(event: EventInput): void {
    if (this.#closed) return;
    const now = this.#clock.now();
    const input = { ...event, note: cutNote(event.note) };
    const key = seriesKey(input);
    let series = this.#series.get(key);
    if (series === undefined || now - series.lastSeen > SERIES_WINDOW) {
      series = this.#begin(input, now);
    } else {
      series.count += 1;
      series.lastSeen = now;
    }
    this.#series.delete(key);
    this.#series.set(key, series);
    for (const [oldest] of this.#series) {
      if (this.#series.size <= MOST_SERIES) break;
      this.#series.delete(oldest);
    }
    if (this.#waiting.size >= MOST_WAITING && !this.#waiting.has(series)) {
      this.#options.onEvent?.("dropped");
      return;
    }
    this.#waiting.add(series);
    this.#schedule();
  }

  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    await this.#write([...this.#waiting]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.();
    this.#timer = undefined;
    await this.flush();
  }

  #begin(input: EventInput, now: number): Series {
    const { metadata } = input.regarding;
    this.#serial += 1;
    // Unique as long as this process lives, and apart from other processes by the time.
    const suffix = `${Math.floor(now).toString(16)}${this.#serial.toString(16).padStart(4, "0")}`;
    return {
      name: `${metadata.name.slice(0, 253 - suffix.length - 1)}.${suffix}`,
      namespace: metadata.namespace ?? this.#options.namespace,
      input,
      count: 1,
      written: 0,
      lastSeen: now,
      lastWritten: 0,
    };
  }

  /** Series that may be written now are; the others when their pause is over. */
  #schedule(): void {
    if (this.#writing !== undefined) return;
    const now = this.#clock.now();
    const due = [...this.#waiting].filter((series) => dueAt(series) <= now);
    if (due.length > 0) {
      this.#writing = this.#write(due).finally(() => {
        this.#writing = undefined;
        if (!this.#closed) this.#schedule();
      });
      return;
    }
    this.#timer?.();
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    const next = Math.min(...[...this.#waiting].map(dueAt));
    this.#timer = this.#clock.after(next - now, () => {
      this.#timer = undefined;
      this.#schedule();
    });
  }

  async #write(batch: readonly Series[]): Promise<void> {
    for (const series of batch) {
      this.#waiting.delete(series);
      const { count } = series;
      series.lastWritten = this.#clock.now();
      try {
        if (series.written > 0) await this.#count(series);
        else await this.#options.client.create(EVENTS, this.#body(series));
        series.written = count;
        this.#options.onEvent?.("written");
      } catch (error) {
        this.#options.onEvent?.("dropped");
        this.#logger.debug("an event could not be written", {
          object: keyOf(series.input.regarding),
          reason: series.input.reason,
          cause: error instanceof Error ? error.message : "unknown",
        });
      }
    }
  }

  async #count(series: Series): Promise<void> {
    const { name, namespace } = series;
    const body = { series: { count: series.count, lastObservedTime: microTimeOf(series.lastSeen) } };
    try {
      await this.#options.client.patch(EVENTS, { namespace, name }, { type: "merge", body });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      // Events live an hour: the first of the series is gone.
      await this.#options.client.create(EVENTS, this.#body(series));
    }
  }

  #body(series: Series) {
    const { regarding, related, type, reason, action, note } = series.input;
    const time = microTimeOf(series.lastSeen);
    return {
      metadata: { name: series.name, namespace: series.namespace },
      eventTime: time,
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance,
      action,
      reason,
      note,
      type,
      regarding: referenceTo(regarding),
      ...(related === undefined ? {} : { related: referenceTo(related) }),
      ...(series.count > 1 ? { series: { count: series.count, lastObservedTime: time } } : {}),
    };
  }
}

function dueAt(series: Series): number {
  return series.written === 0 ? 0 : series.lastWritten + SERIES_PAUSE;
}

function referenceTo(object: KubeObject) {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace, uid, resourceVersion } = metadata;
  return { apiVersion, kind, name, namespace, uid, resourceVersion };
}

function seriesKey(input: EventInput): string {
  const { regarding, related, type, reason, action, note } = input;
  const parts = [regarding.metadata.uid, related?.metadata.uid ?? "", type, reason, action, note];
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64");
}

/** At most 1,024 bytes of UTF-8 without half a character at the end. */
function cutNote(note: string): string {
  if (Buffer.byteLength(note) <= LONGEST_NOTE) return note;
  const cut = Buffer.from(note).subarray(0, LONGEST_NOTE - 3);
  return `${new TextDecoder("utf-8", { ignoreBOM: true }).decode(cut).replace(/\uFFFD+$/, "")}…`;
}
