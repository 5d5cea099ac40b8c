/** USB ids that need no configuration: devices of which we know what they are. */
import type { NativeUsbDevice } from "../../addon.ts";

/** The `deviceType`s of HSMDevice that sit on USB. */
export type UsbDeviceType = "PicoHSM" | "SmartCard-HSM" | "NitrokeyHSM" | "YubiHSM";

export interface WellKnownUsbId {
  readonly vendorId: string;
  readonly productId: string;
  readonly name: string;
  /**
   * What may answer there, likeliest first. Several share an id (Pico HSM can carry Nitrokey's), so an id alone proves
   * no type; a reader holds whatever card is in it.
   */
  readonly types: readonly UsbDeviceType[];
}

const id = (
  vendorId: string,
  productId: string,
  name: string,
  ...types: UsbDeviceType[]
): WellKnownUsbId => ({ vendorId, productId, name, types });

export const WELL_KNOWN_USB_IDS: readonly WellKnownUsbId[] = [
  id("2e8a", "10fd", "Pico HSM", "PicoHSM"),
  id("20a0", "4230", "Nitrokey HSM", "NitrokeyHSM", "PicoHSM", "SmartCard-HSM"),
  id("04e6", "5816", "SCM SmartCard-HSM token", "SmartCard-HSM"),
  id("1050", "0030", "YubiHSM 2", "YubiHSM"),
  id("1050", "0407", "YubiKey (OTP, FIDO, CCID)"),
  // Readers that SmartCard-HSM cards are used in.
  id("04e6", "5116", "SCM SCR331", "SmartCard-HSM"),
  id("04e6", "5814", "SCM SCR3500", "SmartCard-HSM"),
  id("076b", "3021", "HID OMNIKEY 3021", "SmartCard-HSM"),
  id("076b", "3031", "HID OMNIKEY 3121", "SmartCard-HSM"),
  id("08e6", "3437", "Gemalto USB SmartCard Reader", "SmartCard-HSM"),
  id("072f", "90cc", "ACS ACR38", "SmartCard-HSM"),
];

const CCID = "0b";

/** What the table says of this device; undefined when it does not know the id. */
export function wellKnown(
  device: Pick<NativeUsbDevice, "vendorId" | "productId">,
): WellKnownUsbId | undefined {
  return WELL_KNOWN_USB_IDS.find(
    (each) => each.vendorId === device.vendorId && each.productId === device.productId,
  );
}

/** Whether a device of this type may be what sits there. */
export function mayBe(device: Pick<NativeUsbDevice, "vendorId" | "productId">, type: UsbDeviceType): boolean {
  return wellKnown(device)?.types.includes(type) ?? false;
}

/** Whether one of its interfaces is a smart-card reader's (USB class 0x0b). */
export function isSmartCardReader(device: Pick<NativeUsbDevice, "interfaces">): boolean {
  return device.interfaces.some((each) => each.class === CCID);
}
