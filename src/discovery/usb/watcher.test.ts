import { describe, expect, it } from "vitest";
import type { NativeUsbDevice, NativeUsbListener, NativeUsbListing } from "../../addon.ts";
import { UsbWatcher } from "./watcher.ts";

const device = (name: string, number: number, serialNumber = "A"): NativeUsbDevice => ({
  name,
  vendorId: "2e8a",
  productId: "10fd",
  serialNumber,
  bus: 1,
  device: number,
  path: `/dev/bus/usb/001/00${number}`,
  interfaces: [],
  unreadable: [],
});

/** A tree, a kernel and a clock in the hands of the test. */
class World {
  tree: NativeUsbListing | Error = { present: true, devices: [], unreadable: [] };
  looks = 0;
  now = 0;
  closed = false;
  say: NativeUsbListener = () => {};
  readonly #timers = new Set<{ at: number; run: () => void }>();

  watch(monitor = true): UsbWatcher {
    return new UsbWatcher({
      sysRoot: "/sys",
      devRoot: "/dev",
      debounceMs: 200,
      longestBurstMs: 1_000,
      rescanMs: 60_000,
      rescanWithoutEventsMs: 5_000,
      list: async () => {
        this.looks += 1;
        if (this.tree instanceof Error) throw this.tree;
        return this.tree;
      },
      monitor: (listener) => {
        if (!monitor) throw new Error("Kernel uevents cannot be had: Operation not permitted.");
        this.say = listener;
        return {
          close: () => {
            this.closed = true;
          },
        };
      },
      schedule: (run, ms) => {
        const timer = { at: this.now + ms, run };
        this.#timers.add(timer);
        return () => this.#timers.delete(timer);
      },
    });
  }

  show(...devices: NativeUsbDevice[]): void {
    this.tree = { present: true, devices, unreadable: [] };
  }

  get timers(): number {
    return this.#timers.size;
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = [...this.#timers].filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.now = next.at;
      next.run();
      await settle();
    }
    this.now = end;
  }
}

/** Lets every promise that can go on go on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function start(world: World, monitor = true) {
  const watcher = world.watch(monitor);
  const news = watcher[Symbol.asyncIterator]();
  await settle();
  return { watcher, next: async () => (await news.next()).value };
}

describe("UsbWatcher", () => {
  it("tells the first look, also an empty one, and then what came and went", async () => {
    const world = new World();
    const { next } = await start(world);
    expect(await next()).toMatchObject({ kind: "devices", listing: { devices: [] } });
    world.show(device("1-1", 5));
    world.say("event", "add", "/devices/1-1", "usb_device");
    await world.pass(200);
    expect(await next()).toMatchObject({ changes: { added: [{ device: 5 }], removed: [] } });
    world.show(device("1-1", 6));
    world.say("event", "add", "/devices/1-1", "usb_device");
    await world.pass(200);
    expect(await next()).toMatchObject({ changes: { added: [{ device: 6 }], removed: [{ device: 5 }] } });
  });

  it("looks once for a burst, and during an endless one too", async () => {
    const world = new World();
    await start(world);
    for (let i = 0; i < 10; i += 1) world.say("event", "add", "", "");
    await world.pass(200);
    expect(world.looks).toBe(2);
    for (let i = 0; i < 22; i += 1) {
      world.say("event", "bind", "", "");
      await world.pass(100);
    }
    expect(world.looks).toBe(4); // at 1,000 and 2,000 ms
  });

  it("looks again after an overflow, and without any event after the rescan time", async () => {
    const world = new World();
    const { next } = await start(world);
    await next();
    world.show(device("1-1", 5));
    world.say("overflow", "", "", "");
    await world.pass(200);
    expect(await next()).toMatchObject({ changes: { added: [{ device: 5 }] } });
    world.show();
    await world.pass(60_000);
    expect(await next()).toMatchObject({ changes: { removed: [{ device: 5 }] } });
  });

  it("says that events cannot be had or ended, and rescans oftener from then on", async () => {
    const forbidden = new World();
    const one = await start(forbidden, false);
    expect(await one.next()).toEqual({
      kind: "events-lost",
      reason: "Kernel uevents cannot be had: Operation not permitted.",
    });
    await forbidden.pass(15_000);
    expect(forbidden.looks).toBe(4);
    const ended = new World();
    const two = await start(ended);
    await two.next();
    ended.say("failed", "Kernel uevents ended: Bad file descriptor.", "", "");
    expect(await two.next()).toMatchObject({ kind: "events-lost" });
    expect(ended.closed).toBe(true);
    await ended.pass(10_200);
    expect(ended.looks).toBeGreaterThanOrEqual(3);
  });

  it("keeps what it knew while the tree cannot be read, and says so once", async () => {
    const world = new World();
    world.show(device("1-1", 5));
    const { watcher, next } = await start(world);
    await next();
    const tree = world.tree;
    world.tree = new Error("/sys cannot be read");
    watcher.rescan();
    await settle();
    watcher.rescan();
    await settle();
    expect(await next()).toMatchObject({ kind: "failed", error: { message: "/sys cannot be read" } });
    expect(watcher.listing?.devices).toHaveLength(1);
    world.tree = tree;
    await world.pass(60_000);
    world.show();
    await world.pass(60_000);
    expect(await next()).toMatchObject({ kind: "devices", changes: { removed: [{ device: 5 }] } });
  });

  it("does not call a device gone that could not be read this time", async () => {
    const world = new World();
    world.show(device("1-1", 5));
    const { watcher, next } = await start(world);
    await next();
    world.tree = { present: true, devices: [device("1-2", 6, "B")], unreadable: ["1-1"] };
    watcher.rescan();
    await settle();
    expect(await next()).toMatchObject({ changes: { added: [{ name: "1-2" }], removed: [] } });
    expect(watcher.listing?.devices.map((each) => each.name)).toEqual(["1-2", "1-1"]);
  });

  it("gives a slow reader the latest state and all that changed since", async () => {
    const world = new World();
    const { watcher, next } = await start(world);
    await next();
    for (const tree of [[device("1-1", 5)], [], [device("1-2", 6)]]) {
      world.show(...tree);
      watcher.rescan();
      await settle();
    }
    expect(await next()).toMatchObject({ changes: { added: [{ device: 6 }], removed: [] } });
  });

  it("holds nothing after close, and the loop ends", async () => {
    const world = new World();
    const { watcher, next } = await start(world);
    await next();
    world.say("event", "add", "", "");
    const waiting = next();
    watcher.close();
    expect(await waiting).toBeUndefined();
    expect(world.closed).toBe(true);
    expect(world.timers).toBe(0);
  });
});
