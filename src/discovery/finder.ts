/** What an HSMDevice asks to look for, and how the answers of sysfs and of /dev become devices. Pure. */

import type { HsmDeviceSpec } from "../crd/hsmdevice.ts";
import { WELL_KNOWN_USB_IDS } from "./usb/well-known.ts";

export interface UsbId {
  /** Four hex digits in lower case. */
  readonly vendorId: string;
  readonly productId: string;
  /** Only the device with this one. */
  readonly serialNumber?: string | undefined;
}

/** A device as discovery reports it. Paths are those of the host. */
export interface FoundDevice {
  readonly devicePath?: string | undefined;
  readonly serialNumber?: string | undefined;
  /** Four hex digits in lower case. */
  readonly vendorId?: string | undefined;
  readonly productId?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly product?: string | undefined;
}

export interface UsbDevice extends FoundDevice {
  readonly devicePath: string;
  readonly vendorId: string;
  readonly productId: string;
  /** It has a serial number that could not be read: who it is is not known. */
  readonly serialUnreadable?: boolean | undefined;
}

/** USB devices of the node, and word of their coming and going. */
export interface UsbSource {
  /** Rejects when the devices could not be listed: that is not 'there are none'. */
  list(): Promise<readonly UsbDevice[]>;
  /** Called soon after a device came or went; returns the function that takes the listener off. */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
}

export type Search =
  | { readonly kind: "usb"; readonly ids: readonly UsbId[] }
  | { readonly kind: "path"; readonly pattern: string; readonly permissions: string }
  /** There is nothing that could be found: one sentence says why. */
  | { readonly kind: "impossible"; readonly message: string };

export interface Finding {
  readonly devices: readonly FoundDevice[];
  /** There are more than `maxDevices`. */
  readonly limited: boolean;
  /** Why some, or all, could not be looked at. What is missing in `devices` may be there. */
  readonly error?: string | undefined;
}

export function searchOf(spec: HsmDeviceSpec): Search {
  const { usb, devicePath } = spec.discovery;
  if (usb !== undefined) return { kind: "usb", ids: usb };
  if (devicePath !== undefined) {
    return { kind: "path", pattern: devicePath.path, permissions: devicePath.permissions ?? "rw" };
  }
  const { deviceType } = spec;
  const ids = WELL_KNOWN_USB_IDS.filter(({ types }) => types.some((type) => type === deviceType));
  if (ids.length > 0) return { kind: "usb", ids };
  const message = `There is no well-known hardware of the type ${deviceType}: name usb or devicePath instead of autoDiscovery.`;
  return { kind: "impossible", message };
}

export function pickUsb(
  all: readonly UsbDevice[],
  ids: readonly UsbId[],
): { readonly devices: readonly FoundDevice[]; readonly error?: string } {
  const matching = all.filter((device) => ids.some((id) => isOf(device, id)));
  const unknown = matching.filter(({ serialUnreadable }) => serialUnreadable === true);
  const devices = matching
    .filter((device) => !unknown.includes(device))
    .map(({ serialUnreadable: _, ...device }): FoundDevice => device);
  if (unknown.length === 0) return { devices };
  const paths = unknown.map(({ devicePath }) => devicePath).join(", ");
  return { devices, error: `The serial number cannot be read: ${paths}.` };
}

function isOf(device: UsbDevice, id: UsbId): boolean {
  if (device.vendorId !== id.vendorId || device.productId !== id.productId) return false;
  return (
    id.serialNumber === undefined ||
    device.serialUnreadable === true ||
    device.serialNumber === id.serialNumber
  );
}

/** At most `max`: those that were reported before stay, so that a new one never pushes out one that serves. */
export function limit(
  devices: readonly FoundDevice[],
  max: number,
  before: readonly FoundDevice[],
): Pick<Finding, "devices" | "limited"> {
  const known = new Set(before.map(identity));
  const sorted = [...devices].sort((a, b) => {
    const rank = Number(known.has(identity(b))) - Number(known.has(identity(a)));
    return rank !== 0 ? rank : identity(a) < identity(b) ? -1 : 1;
  });
  const kept = sorted.slice(0, max).sort((a, b) => (identity(a) < identity(b) ? -1 : 1));
  return { devices: kept, limited: sorted.length > max };
}

function identity(device: FoundDevice): string {
  return `${device.serialNumber ?? ""}\0${device.serialNumber === undefined ? (device.devicePath ?? "") : ""}`;
}
