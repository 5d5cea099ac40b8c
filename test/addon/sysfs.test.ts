import { once } from "node:events";
import { accessSync, constants, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadAddon, type NativeUsbMonitor } from "../../src/addon.ts";
import { listUsbDevices, UsbListError } from "../../src/discovery/usb/list.ts";
import { UsbWatcher } from "../../src/discovery/usb/watcher.ts";
import { isSmartCardReader, mayBe, wellKnown } from "../../src/discovery/usb/well-known.ts";
import { DEVICES, SysfsTree } from "../sysfs/tree.ts";

const addon = loadAddon();
const require = createRequire(import.meta.url);
let tree: SysfsTree;

beforeEach(async () => {
  tree = await SysfsTree.make();
});

afterEach(() => tree.dispose());

const places = (): { sysRoot: string; devRoot: string } => ({ sysRoot: tree.root, devRoot: "/host/dev" });

describe("the USB devices of a tree", () => {
  it("are listed as the kernel shows them, and the table knows what they may be", async () => {
    const ports = Object.values(DEVICES);
    for (const [i, device] of ports.entries()) await tree.plug(`1-${i + 1}`, device, 1, i + 2);
    const listing = await listUsbDevices(places());
    expect(listing).toMatchObject({ present: true, unreadable: [] });
    expect(listing.devices).toHaveLength(ports.length);
    const pico = listing.devices[1];
    expect(pico).toEqual({
      name: "1-2",
      vendorId: "2e8a",
      productId: "10fd",
      serialNumber: "E660C0D1C72E8F2B",
      manufacturer: "Pol Henarejos",
      product: "Pico HSM",
      bus: 1,
      device: 3,
      path: "/host/dev/bus/usb/001/003",
      speed: 12,
      interfaces: [{ number: 0, class: "0b", subclass: "00", protocol: "00" }],
      unreadable: [],
    });
    expect(listing.devices.map((each) => wellKnown(each)?.types[0])).toEqual([
      undefined,
      "PicoHSM",
      "NitrokeyHSM",
      "YubiHSM",
      undefined,
    ]);
    expect(listing.devices.map(isSmartCardReader)).toEqual([false, true, true, false, true]);
    expect(listing.devices.filter((each) => mayBe(each, "PicoHSM"))).toHaveLength(2);
    expect(listing.devices[4]).not.toHaveProperty("serialNumber");
  });

  it("a tree that is not there is an error, not an empty list", async () => {
    const missing = listUsbDevices({ sysRoot: `${tree.root}/nowhere`, devRoot: "/dev" });
    await expect(missing).rejects.toThrow(UsbListError);
    await expect(missing).rejects.toThrow(
      "/nowhere/bus/usb/devices cannot be read: No such file or directory.",
    );
  });

  it("a watcher tells what is plugged and pulled, with and without events", async () => {
    const watcher = new UsbWatcher({ ...places(), rescanMs: 20, rescanWithoutEventsMs: 20 });
    const news = watcher[Symbol.asyncIterator]();
    const devices = async () => {
      for (;;) {
        const { value } = await news.next();
        if (value?.kind === "devices") return value.changes;
      }
    };
    expect(await devices()).toMatchObject({ added: [], removed: [] });
    await tree.plug("1-4", DEVICES.picoHsm, 1, 9);
    expect(await devices()).toMatchObject({ added: [{ path: "/host/dev/bus/usb/001/009" }] });
    await tree.unplug("1-4");
    expect(await devices()).toMatchObject({ removed: [{ serialNumber: "E660C0D1C72E8F2B" }] });
    watcher.close();
  });
});

describe("kernel uevents", () => {
  const file = "/sys/class/mem/null/uevent";
  const open = (listener: (...said: string[]) => void): NativeUsbMonitor | { code: unknown } => {
    try {
      return new addon.UsbMonitor(listener, undefined, "mem");
    } catch (error) {
      return { code: (error as { code?: unknown }).code };
    }
  };
  const writable = (): boolean => {
    try {
      accessSync(file, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  };

  it("a real one arrives, or this machine says plainly why none can", async () => {
    let heard: (said: string[]) => void = () => {};
    const first = new Promise<string[]>((resolve) => {
      heard = resolve;
    });
    const monitor = open((...said) => heard(said));
    if (!("close" in monitor)) {
      console.warn(
        `netlink is forbidden here (${String(monitor.code)}): the refusal was checked, no real event`,
      );
      expect(monitor.code).toMatch(/^(EPERM|EACCES|EPROTONOSUPPORT|EAFNOSUPPORT)$/);
      return;
    }
    try {
      if (!writable()) {
        console.warn(`${file} cannot be written here: only opening and closing was checked, no real event`);
        return;
      }
      writeFileSync(file, "change");
      expect(await first).toEqual(["event", "change", "/devices/virtual/mem/null", ""]);
    } finally {
      monitor.close();
      monitor.close();
    }
  });

  it("end with the worker thread that listened", async () => {
    const code = `
      const { parentPort, workerData } = require("node:worker_threads");
      const addon = require(workerData);
      try { new addon.UsbMonitor(() => {}); } catch {}
      parentPort.postMessage("listening");
    `;
    for (let i = 0; i < 3; i += 1) {
      const worker = new Worker(code, { eval: true, workerData: addonFile() });
      await once(worker, "message");
      await worker.terminate();
    }
  });

  it("wrong arguments throw", () => {
    const make = (...args: unknown[]): unknown =>
      new (addon.UsbMonitor as unknown as new (...a: unknown[]) => unknown)(...args);
    expect(() => make()).toThrow(TypeError);
    expect(() => make(() => {}, -1)).toThrow(TypeError);
    expect(() => make(() => {}, 1_000_000)).toThrow("fd is no open descriptor: Bad file descriptor.");
    expect(() => make(() => {}, undefined, 7)).toThrow(TypeError);
  });
});

function addonFile(): string {
  const found = Object.values(require.cache).find((each) => each?.filename.endsWith("hsm_addon.node"));
  if (found === undefined) throw new Error("the addon is not loaded");
  return found.filename;
}
