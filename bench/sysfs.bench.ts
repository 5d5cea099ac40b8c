/**
 * Listing USB devices: the addon against a plain walk with node:fs that reads the same facts from the files that each
 * of them stands in, once with the synchronous calls (quicker, and the event loop stands still) and once with the
 * promises. Same made tree, alternating turns of one run.
 */
import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadAddon, type NativeUsbListing } from "../src/addon.ts";
import { DEVICES, SysfsTree } from "../test/sysfs/tree.ts";
import { printTable, quantile, type Row, round, rowOf } from "./measure.ts";

const quick = process.env["HSM_BENCH_QUICK"] === "1";
const TURNS = quick ? 10 : 40;
const FILES = ["idVendor", "idProduct", "serial", "manufacturer", "product", "busnum", "devnum", "speed"];
const INTERFACE_FILES = ["bInterfaceNumber", "bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"];
const addon = loadAddon();

async function main(): Promise<void> {
  const rows: Row[] = [];
  const ratios: Record<string, number> = {};
  for (const count of [10, 100, 500]) {
    const tree = await SysfsTree.make();
    try {
      const kinds = Object.values(DEVICES);
      for (let i = 0; i < count; i += 1) {
        await tree.plug(
          `${1 + Math.floor(i / 100)}-${1 + (i % 100)}`,
          kinds[i % kinds.length] ?? DEVICES.picoHsm,
          1 + Math.floor(i / 100),
          1 + (i % 100),
        );
      }
      const samples = await takeTurns(tree.root, count);
      for (const [through, turns] of Object.entries(samples)) rows.push(rowOf(count, "list", through, turns));
      ratios[`sysfs_vs_fs_${count}`] = ratio(samples["fs"], samples["addon"]);
      ratios[`sysfs_vs_fs_sync_${count}`] = ratio(samples["fs sync"], samples["addon"]);
    } finally {
      await tree.dispose();
    }
  }
  printTable(rows);
  process.stdout.write(`${JSON.stringify({ bench: "sysfs", ratios, rows })}\n`);
}

async function takeTurns(root: string, count: number): Promise<Record<string, number[]>> {
  const ways: Record<string, () => Promise<number>> = {
    addon: async () =>
      (JSON.parse(await addon.listUsbDevices(root, "/dev")) as NativeUsbListing).devices.length,
    "fs sync": async () => walkSync(root),
    fs: () => walk(root),
  };
  const samples: Record<string, number[]> = {};
  for (let turn = -3; turn < TURNS; turn += 1) {
    for (const [name, way] of Object.entries(ways)) {
      const start = process.hrtime.bigint();
      const found = await way();
      const microseconds = Number(process.hrtime.bigint() - start) / 1000;
      if (found !== count) throw new Error(`${name} found ${found} of ${count} devices`);
      samples[name] ??= [];
      if (turn >= 0) samples[name].push(microseconds); // the first turns warm up
    }
  }
  return samples;
}

function walkSync(root: string): number {
  const folder = join(root, "bus", "usb", "devices");
  const read = (entry: string, file: string): string | undefined => {
    try {
      return readFileSync(join(folder, entry, file), "utf8").trimEnd();
    } catch {
      return undefined;
    }
  };
  const devices = new Map<string, object[]>();
  for (const entry of readdirSync(folder).sort()) {
    const [device = ""] = entry.split(":");
    const files = entry === device ? FILES : INTERFACE_FILES;
    devices.set(device, [...(devices.get(device) ?? []), files.map((file) => read(entry, file))]);
  }
  return devices.size;
}

async function walk(root: string): Promise<number> {
  const folder = join(root, "bus", "usb", "devices");
  const read = (entry: string, file: string): Promise<string | undefined> =>
    readFile(join(folder, entry, file), "utf8").then(
      (text) => text.trimEnd(),
      () => undefined,
    );
  const devices = new Map<string, object[]>();
  for (const entry of (await readdir(folder)).sort()) {
    const [device = ""] = entry.split(":");
    const files = entry === device ? FILES : INTERFACE_FILES;
    const texts = await Promise.all(files.map((file) => read(entry, file)));
    devices.set(device, [...(devices.get(device) ?? []), texts]);
  }
  return devices.size;
}

/** The median over the turns: what disturbs a turn disturbs both. */
function ratio(above: readonly number[] = [], below: readonly number[] = []): number {
  return round(
    quantile(
      above.map((value, i) => value / (below[i] ?? Number.NaN)),
      0.5,
    ),
  );
}

await main();
