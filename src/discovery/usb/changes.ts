/** What differs between two listings. */
import type { NativeUsbDevice, NativeUsbListing } from "../../addon.ts";

export interface UsbChanges {
  readonly added: readonly NativeUsbDevice[];
  /** As last seen. */
  readonly removed: readonly NativeUsbDevice[];
  /** The same plugging of a device, of which an attribute or interface is new. */
  readonly changed: readonly NativeUsbDevice[];
}

/**
 * A device that was plugged again is one removed and one added, even with the same serial number: its path is another.
 * One that is there but could not be read this time is neither.
 */
export function usbChanges(before: NativeUsbListing, after: NativeUsbListing): UsbChanges {
  const old = new Map(before.devices.map((device) => [identity(device), device]));
  const added: NativeUsbDevice[] = [];
  const changed: NativeUsbDevice[] = [];
  for (const device of after.devices) {
    const known = old.get(identity(device));
    old.delete(identity(device));
    if (known === undefined) added.push(device);
    else if (JSON.stringify(known) !== JSON.stringify(device)) changed.push(device);
  }
  const removed = [...old.values()].filter((device) => !after.unreadable.includes(device.name));
  return { added, removed, changed };
}

/** What is known after this listing: devices that could not be read this time stay as they were. */
export function mergeUnreadable(before: NativeUsbListing, after: NativeUsbListing): NativeUsbListing {
  const kept = before.devices.filter((device) => after.unreadable.includes(device.name));
  return kept.length === 0 ? after : { ...after, devices: [...after.devices, ...kept] };
}

export function isEmpty(changes: UsbChanges): boolean {
  return changes.added.length + changes.removed.length + changes.changed.length === 0;
}

function identity(device: NativeUsbDevice): string {
  return `${device.name} ${device.bus} ${device.device} ${device.vendorId}:${device.productId}`;
}
