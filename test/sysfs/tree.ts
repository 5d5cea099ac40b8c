/** A made sysfs tree with devices as real ones show themselves, laid out as the kernel lays it out. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface MadeInterface {
  /** Hexadecimal, e.g. `0b`. */
  readonly class: string;
  readonly subclass?: string;
  readonly protocol?: string;
}

export interface MadeDevice {
  readonly vendorId: string;
  readonly productId: string;
  readonly serial?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly speed: string;
  readonly interfaces: readonly MadeInterface[];
}

/** What the kernel shows of these devices. */
export const DEVICES = {
  rootHub: {
    vendorId: "1d6b",
    productId: "0002",
    serial: "0000:00:14.0",
    manufacturer: "Linux 6.1.0 xhci-hcd",
    product: "xHCI Host Controller",
    speed: "480",
    interfaces: [{ class: "09" }],
  },
  picoHsm: {
    vendorId: "2e8a",
    productId: "10fd",
    serial: "E660C0D1C72E8F2B",
    manufacturer: "Pol Henarejos",
    product: "Pico HSM",
    speed: "12",
    interfaces: [{ class: "0b" }],
  },
  nitrokeyHsm: {
    vendorId: "20a0",
    productId: "4230",
    serial: "DENK0100842",
    manufacturer: "Nitrokey",
    product: "Nitrokey HSM",
    speed: "12",
    interfaces: [{ class: "0b" }],
  },
  yubiHsm: {
    vendorId: "1050",
    productId: "0030",
    serial: "0007550054",
    manufacturer: "Yubico",
    product: "YubiHSM",
    speed: "12",
    interfaces: [{ class: "ff" }],
  },
  yubiKey: {
    vendorId: "1050",
    productId: "0407",
    manufacturer: "Yubico",
    product: "YubiKey OTP+FIDO+CCID",
    speed: "12",
    interfaces: [{ class: "03", subclass: "01", protocol: "01" }, { class: "03" }, { class: "0b" }],
  },
} as const satisfies Record<string, MadeDevice>;

export class SysfsTree {
  readonly root: string;

  static async make(): Promise<SysfsTree> {
    const tree = new SysfsTree(await mkdtemp(join(tmpdir(), "hsm-sysfs-")));
    await mkdir(tree.#links, { recursive: true });
    return tree;
  }

  private constructor(root: string) {
    this.root = root;
  }

  get #links(): string {
    return join(this.root, "bus", "usb", "devices");
  }

  /** As after plugging it in at that port, e.g. `1-1.4`. */
  async plug(port: string, device: MadeDevice, bus: number, number: number): Promise<void> {
    const folder = this.folder(port);
    const three = (value: number): string => String(value).padStart(3, "0");
    const product = `${strip(device.vendorId)}/${strip(device.productId)}/100`;
    await mkdir(folder, { recursive: true });
    const files: Record<string, string | undefined> = {
      uevent: `MAJOR=189\nMINOR=${number - 1}\nDEVNAME=bus/usb/${three(bus)}/${three(number)}\nDEVTYPE=usb_device\nDRIVER=usb\nPRODUCT=${product}\nTYPE=0/0/0\nBUSNUM=${three(bus)}\nDEVNUM=${three(number)}`,
      idVendor: device.vendorId,
      idProduct: device.productId,
      serial: device.serial,
      manufacturer: device.manufacturer,
      product: device.product,
      busnum: String(bus),
      devnum: String(number),
      speed: device.speed,
    };
    await writeFiles(folder, files);
    for (const [index, each] of device.interfaces.entries()) {
      const name = `${port}:1.${index}`;
      const { class: interfaceClass, subclass = "00", protocol = "00" } = each;
      const decimal = [interfaceClass, subclass, protocol].map((hex) => Number.parseInt(hex, 16)).join("/");
      await mkdir(join(folder, name), { recursive: true });
      await writeFiles(join(folder, name), {
        uevent: `DEVTYPE=usb_interface\nPRODUCT=${product}\nTYPE=0/0/0\nINTERFACE=${decimal}`,
        bInterfaceNumber: index.toString(16).padStart(2, "0"),
        bInterfaceClass: interfaceClass,
        bInterfaceSubClass: subclass,
        bInterfaceProtocol: protocol,
      });
      await symlink(`../../../devices/pci0000:00/usb/${port}/${name}`, join(this.#links, name));
    }
    // The link last, as the kernel does.
    await symlink(`../../../devices/pci0000:00/usb/${port}`, join(this.#links, port));
  }

  async unplug(port: string, interfaces = 1): Promise<void> {
    for (let i = 0; i < interfaces; i += 1) await rm(join(this.#links, `${port}:1.${i}`), { force: true });
    await rm(join(this.#links, port));
    await rm(this.folder(port), { recursive: true });
  }

  folder(port: string): string {
    return join(this.root, "devices", "pci0000:00", "usb", port);
  }

  async dispose(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    if (text !== undefined) await writeFile(join(folder, name), `${text}\n`);
  }
}

/** As in PRODUCT of a uevent: without leading zeros. */
function strip(hex: string): string {
  return Number.parseInt(hex, 16).toString(16);
}
