import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DeviceFiles, findNodes, foldersOf, systemFiles } from "./device-nodes.ts";

let folder: string;
const roots = () => ({ sysfs: join(folder, "sys"), dev: join(folder, "dev") });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "nodes-"));
  await mkdir(join(folder, "dev", "serial", "by-id"), { recursive: true });
  await mkdir(join(folder, "sys", "dev", "char"), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** /dev/null (1:3) and /dev/zero (1:5) are nodes that every machine has. */
async function node(path: string, target: "/dev/null" | "/dev/zero"): Promise<void> {
  await symlink(target, join(folder, "dev", path));
}

async function usbDevice(number: string, serial: string): Promise<void> {
  const usb = join(folder, "sys", "devices", "usb1", "1-1");
  const tty = join(usb, "1-1:1.0", "ttyUSB0", "tty", "ttyUSB0");
  await mkdir(tty, { recursive: true });
  await writeFile(join(usb, "idVendor"), "20a0\n");
  await writeFile(join(usb, "idProduct"), "4230\n");
  await writeFile(join(usb, "serial"), `${serial}\n`);
  await symlink(tty, join(folder, "sys", "dev", "char", number));
}

describe("findNodes", () => {
  it("finds the nodes that fit, by their paths on the host, and asks sysfs who they are", async () => {
    await node("ttyUSB0", "/dev/null");
    await node("ttyUSB1", "/dev/zero");
    await usbDevice("1:3", "DENK0100001");
    expect(await findNodes("/dev/ttyUSB*", "rw", roots(), systemFiles)).toEqual({
      devices: [
        { devicePath: "/dev/ttyUSB0", vendorId: "20a0", productId: "4230", serialNumber: "DENK0100001" },
        { devicePath: "/dev/ttyUSB1" },
      ],
    });
  });

  it("counts a node once however many links lead to it, and leaves out what is no device", async () => {
    await node("serial/by-id/usb-Pico_HSM-if00", "/dev/null");
    await node("serial/by-id/usb-Pico_HSM-if01", "/dev/null");
    await writeFile(join(folder, "dev", "serial", "by-id", "usb-Pico_HSM-if02"), "");
    await symlink("/nowhere", join(folder, "dev", "serial", "by-id", "usb-Pico_HSM-if03"));
    const { devices, error } = await findNodes("/dev/serial/by-id/*Pico*", "rw", roots(), systemFiles);
    expect(error).toBeUndefined();
    expect(devices).toEqual([{ devicePath: "/dev/serial/by-id/usb-Pico_HSM-if00" }]);
  });

  it("a folder that is not there holds nothing", async () => {
    expect(await findNodes("/dev/nothing/*", "rw", roots(), systemFiles)).toEqual({ devices: [] });
  });

  it.each([["/etc/shadow"], ["/dev/../etc/*"], ["/dev"], ["/dev//x"]])("refuses %s", async (pattern) => {
    const { devices, error } = await findNodes(pattern, "rw", roots(), systemFiles);
    expect(devices).toEqual([]);
    expect(error).toContain("must lie below /dev");
  });

  it("says what is wrong with a glob, and with a folder that cannot be read", async () => {
    expect((await findNodes("/dev/tty[0-9", "rw", roots(), systemFiles)).error).toContain("not closed");
    const files: DeviceFiles = {
      ...systemFiles,
      list: async () => {
        throw Object.assign(new Error("no"), { code: "EACCES" });
      },
    };
    expect((await findNodes("/dev/tty*", "rw", roots(), files)).error).toContain("EACCES");
  });

  it.each([
    ["root's own", { mode: 0o600, uid: 0, gid: 0 }, "rw", true],
    ["root's own, for reading only", { mode: 0o400, uid: 0, gid: 0 }, "rw", false],
    ["root's own, for reading only, when no more is asked for", { mode: 0o400, uid: 0, gid: 0 }, "r", true],
    ["somebody's, with root's group", { mode: 0o660, uid: 1000, gid: 0 }, "rw", true],
    ["somebody's alone", { mode: 0o600, uid: 1000, gid: 1000 }, "rw", false],
    ["everybody's", { mode: 0o666, uid: 1000, gid: 20 }, "rw", true],
  ])("a node that is %s: may the agent use it?", async (_whose, bits, permissions, may) => {
    const files: DeviceFiles = {
      list: async () => ["hidraw0"],
      inspect: async () => ({ kind: "device", number: "char/1:3", ...bits }),
      read: async () => undefined,
      resolve: async () => undefined,
    };
    const { devices, error } = await findNodes("/dev/hidraw*", permissions, roots(), files);
    expect(devices).toEqual(may ? [{ devicePath: "/dev/hidraw0" }] : []);
    if (may) expect(error).toBeUndefined();
    else expect(error).toContain("may not use /dev/hidraw0");
  });
});

it("watches the folders that the nodes come in, and those above that may come later", () => {
  expect(foldersOf("/dev/ttyUSB*", "/host/dev")).toEqual(["/host/dev"]);
  expect(foldersOf("/dev/serial/by-id/x", "/dev")).toEqual(["/dev", "/dev/serial", "/dev/serial/by-id"]);
  expect(foldersOf("/dev/bus/usb/*/*", "/dev")).toEqual(["/dev", "/dev/bus", "/dev/bus/usb"]);
});
