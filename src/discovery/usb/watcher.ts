/**
 * Keeps a listing of the USB devices true: looks at the tree when the kernel speaks of USB, once the burst is over,
 * and now and then without being told. Uevents say only that something happened; what is there, the tree says.
 */
import {
  type Addon,
  loadAddon,
  type NativeUsbListener,
  type NativeUsbListing,
  type NativeUsbMonitor,
} from "../../addon.ts";
import { isEmpty, mergeUnreadable, type UsbChanges, usbChanges } from "./changes.ts";
import { listUsbDevices, type UsbPlaces } from "./list.ts";

/** Calls `run` after `ms`; the returned function takes that back. */
export type Schedule = (run: () => void, ms: number) => () => void;

export interface UsbWatcherOptions extends UsbPlaces {
  /** A look follows this many ms after the last event of a burst ... */
  readonly debounceMs?: number;
  /** ... but no later than this many after its first. */
  readonly longestBurstMs?: number;
  /** A look without any event: while uevents are heard, and where they cannot be had. */
  readonly rescanMs?: number;
  readonly rescanWithoutEventsMs?: number;
  readonly list?: (places: UsbPlaces) => Promise<NativeUsbListing>;
  /** Throws when uevents cannot be had. */
  readonly monitor?: (listener: NativeUsbListener) => NativeUsbMonitor;
  readonly schedule?: Schedule;
}

export type UsbNews =
  /** The first look is news, also when it shows nothing. */
  | { readonly kind: "devices"; readonly listing: NativeUsbListing; readonly changes: UsbChanges }
  /** A look failed; what was known stays. Said once for each row of failures. */
  | { readonly kind: "failed"; readonly error: Error }
  /** No uevents from here on, only rescans. */
  | { readonly kind: "events-lost"; readonly reason: string };

type Waiting =
  | Exclude<UsbNews, { kind: "devices" }>
  | { readonly kind: "devices"; readonly listing: NativeUsbListing };

const NOTHING: NativeUsbListing = { present: false, devices: [], unreadable: [] };

const timer: Schedule = (run, ms) => {
  const handle = setTimeout(run, ms);
  return () => clearTimeout(handle);
};

/** Iterate it once; leaving the loop closes it. A slow reader gets the latest state, never a backlog of it. */
export class UsbWatcher implements AsyncIterable<UsbNews> {
  readonly #options: Required<UsbWatcherOptions>;
  readonly #news: Waiting[] = [];
  /** What the reader knows. */
  #taken = NOTHING;
  #told: NativeUsbListing | undefined;
  #known = NOTHING;
  #failing = false;
  #monitor: NativeUsbMonitor | undefined;
  #looking = false;
  #lookAgain = false;
  #cancelLook: (() => void) | undefined;
  #cancelRescan: (() => void) | undefined;
  #burstLimit: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(options: UsbWatcherOptions, addon: () => Addon = loadAddon) {
    this.#options = {
      debounceMs: 200,
      longestBurstMs: 2_000,
      rescanMs: 60_000,
      rescanWithoutEventsMs: 5_000,
      schedule: timer,
      list: (places) => listUsbDevices(places, addon()),
      monitor: (listener) => new (addon().UsbMonitor)(listener),
      ...options,
    };
    // Listening begins before the first look: what happens between them is heard.
    try {
      this.#monitor = this.#options.monitor((kind, text) => this.#hear(kind, text));
    } catch (error) {
      this.#loseEvents(error instanceof Error ? error.message : String(error));
    }
    void this.#look();
  }

  /** What was seen last; undefined before the first look has succeeded. */
  get listing(): NativeUsbListing | undefined {
    return this.#told;
  }

  /** Looks now. */
  rescan(): void {
    void this.#look();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#monitor?.close();
    for (const cancel of [this.#cancelLook, this.#cancelRescan, this.#burstLimit]) cancel?.();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<UsbNews, void, undefined> {
    try {
      while (!this.#closed) {
        const news = this.#news.shift();
        if (news !== undefined) {
          yield this.#take(news);
          continue;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.close();
    }
  }

  #hear(kind: "event" | "overflow" | "failed", text: string): void {
    if (this.#closed) return;
    if (kind === "failed") {
      this.#monitor?.close();
      this.#loseEvents(text);
    }
    this.#cancelLook?.();
    const look = (): void => {
      this.#cancelLook?.();
      this.#burstLimit?.();
      this.#cancelLook = undefined;
      this.#burstLimit = undefined;
      void this.#look();
    };
    this.#cancelLook = this.#options.schedule(look, this.#options.debounceMs);
    this.#burstLimit ??= this.#options.schedule(look, this.#options.longestBurstMs);
  }

  #loseEvents(reason: string): void {
    this.#monitor = undefined;
    this.#tell({ kind: "events-lost", reason });
    this.#planRescan();
  }

  #planRescan(): void {
    this.#cancelRescan?.();
    if (this.#closed) return;
    const { rescanMs, rescanWithoutEventsMs, schedule } = this.#options;
    const wait = this.#monitor === undefined ? rescanWithoutEventsMs : rescanMs;
    this.#cancelRescan = schedule(() => void this.#look(), wait);
  }

  /** One at a time: what is asked for meanwhile is looked at once more afterwards. */
  async #look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    do {
      this.#lookAgain = false;
      await this.#lookOnce();
    } while (this.#lookAgain && !this.#closed);
    this.#looking = false;
    this.#planRescan();
  }

  async #lookOnce(): Promise<void> {
    try {
      const seen = await this.#options.list(this.#options);
      const changes = usbChanges(this.#known, seen);
      const listing = mergeUnreadable(this.#known, seen);
      this.#failing = false;
      this.#known = listing;
      if (this.#told !== undefined && isEmpty(changes)) return;
      this.#told = listing;
      this.#tell({ kind: "devices", listing });
    } catch (cause) {
      if (this.#failing) return;
      this.#failing = true;
      this.#tell({ kind: "failed", error: cause instanceof Error ? cause : new Error(String(cause)) });
    }
  }

  /** Device news that nobody has taken yet become one. */
  #tell(news: Waiting): void {
    if (this.#closed) return;
    if (news.kind === "devices" && this.#news.at(-1)?.kind === "devices") this.#news.pop();
    this.#news.push(news);
    this.#wake?.();
  }

  #take(news: Waiting): UsbNews {
    if (news.kind !== "devices") return news;
    const changes = usbChanges(this.#taken, news.listing);
    this.#taken = news.listing;
    return { ...news, changes };
  }
}
