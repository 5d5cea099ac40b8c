/** The USB devices of this node as finders want them, over the watcher of sysfs. */

import type { NativeUsbDevice } from "../addon.ts";
import type { Logger } from "../telemetry/log.ts";
import type { UsbDevice, UsbSource } from "./finder.ts";
import { listUsbDevices, type UsbPlaces } from "./usb/list.ts";
import { UsbWatcher } from "./usb/watcher.ts";

export function openUsbSource(places: UsbPlaces, log: Logger): UsbSource {
  const watcher = new UsbWatcher(places);
  const listeners = new Set<() => void>();
  /** The watcher tells of a recovery only when something changed meanwhile: after a failure we look for ourselves. */
  let failing = false;
  const following = (async () => {
    for await (const news of watcher) {
      if (news.kind === "events-lost") {
        log.warn("no word from the kernel; USB is looked at every few seconds", { reason: news.reason });
        continue;
      }
      failing = news.kind === "failed";
      if (news.kind === "failed") log.warn("USB devices cannot be listed", {}, news.error);
      for (const listener of [...listeners]) listener();
    }
  })();
  return {
    async list() {
      if (!failing && watcher.listing !== undefined) return watcher.listing.devices.map(usbDevice);
      const listing = await listUsbDevices(places);
      failing = false;
      return listing.devices.map(usbDevice);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      watcher.close();
      await following;
    },
  };
}

export function usbDevice(device: NativeUsbDevice): UsbDevice {
  const { path, vendorId, productId, serialNumber, manufacturer, product, unreadable } = device;
  return {
    devicePath: path,
    vendorId,
    productId,
    serialNumber: serialNumber === "" ? undefined : serialNumber,
    manufacturer,
    product,
    serialUnreadable: unreadable.includes("serial"),
  };
}
