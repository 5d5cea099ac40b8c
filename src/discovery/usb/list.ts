/** The USB devices of a machine, as its sysfs shows them at this moment. */
import { type Addon, loadAddon, type NativeUsbListing } from "../../addon.ts";

export interface UsbPlaces {
  /** Where sysfs is: `/sys`, or `/host/sys` in a pod. */
  readonly sysRoot: string;
  /** Where device nodes are named from in `path`: `/dev`. */
  readonly devRoot: string;
}

/** Reading the tree failed: that says nothing of which devices are there. */
export class UsbListError extends Error {
  readonly code = "USB_LIST_FAILED";
  override readonly name = "UsbListError";
}

/** Throws UsbListError when the tree cannot be read; a kernel without USB is an empty list. */
export async function listUsbDevices(
  places: UsbPlaces,
  addon: Pick<Addon, "listUsbDevices"> = loadAddon(),
): Promise<NativeUsbListing> {
  let json: string;
  try {
    json = await addon.listUsbDevices(places.sysRoot, places.devRoot);
  } catch (cause) {
    const message = (cause as { message?: unknown }).message;
    throw new UsbListError(typeof message === "string" ? message : "USB devices cannot be listed.", {
      cause,
    });
  }
  return JSON.parse(json) as NativeUsbListing;
}
