/** Device nodes below /dev by a glob: found, checked for what the agent may do with them, and named by sysfs. */

import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FoundDevice } from "./finder.ts";
import { GlobError, globMatcher, hasGlob } from "./glob.ts";

export interface NodeInfo {
  readonly kind: "device" | "other";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** `c` or `b`, major and minor, e.g. `char/188:0`: where sysfs shows the device. */
  readonly number: string;
}

/** The file system as far as it is looked at; paths are of this process. */
export interface DeviceFiles {
  /** Names in a folder; none when there is no such folder. Other failures reject. */
  list(folder: string): Promise<readonly string[]>;
  /** Through links; `undefined` when it is not there. */
  inspect(path: string): Promise<NodeInfo | undefined>;
  /** Text of a small file, trimmed; `undefined` when it is not there. */
  read(path: string): Promise<string | undefined>;
  /** `undefined` when it is not there. */
  resolve(path: string): Promise<string | undefined>;
}

export interface Roots {
  /** Where the host's /sys and /dev are seen, e.g. `/host/sys`. */
  readonly sysfs: string;
  readonly dev: string;
}

export interface FoundNodes {
  readonly devices: readonly FoundDevice[];
  readonly error?: string | undefined;
}

const DEV = "/dev";
/** More nodes than a report ever holds. */
const MOST_NODES = 1024;
/** Folders between a device's node in sysfs and the USB device that it belongs to. */
const DEEPEST = 12;

export async function findNodes(
  pattern: string,
  permissions: string,
  roots: Roots,
  files: DeviceFiles,
): Promise<FoundNodes> {
  const segments = pattern.split("/").slice(1);
  if (segments.shift() !== "dev" || segments.length === 0 || segments.some(isOdd)) {
    return { devices: [], error: "The devicePath must lie below /dev, without '..' or empty segments." };
  }
  let paths: readonly string[];
  try {
    paths = await expand(segments, roots.dev, files);
  } catch (error) {
    if (error instanceof GlobError) return { devices: [], error: error.message };
    return { devices: [], error: `The devicePath cannot be looked at: ${codeOf(error)}.` };
  }
  const devices: FoundDevice[] = [];
  const refused: string[] = [];
  const seen = new Set<string>();
  for (const path of paths) {
    const info = await files.inspect(path);
    // Links by id and by path lead to the same node.
    if (info?.kind !== "device" || seen.has(info.number)) continue;
    seen.add(info.number);
    const hostPath = `${DEV}${path.slice(roots.dev.length)}`;
    if (!rootMay(info, permissions)) refused.push(hostPath);
    else devices.push({ devicePath: hostPath, ...(await usbNames(info.number, roots.sysfs, files)) });
  }
  if (refused.length === 0) return { devices };
  const shown = refused.slice(0, 5).join(", ");
  return {
    devices,
    error: `The agent, which runs as root without capabilities, may not use ${shown} (${permissions}).`,
  };
}

/** Folders that change when a node that the pattern may mean comes or goes; the deepest without a glob. */
export function foldersOf(pattern: string, devRoot: string): readonly string[] {
  const segments = pattern.split("/").slice(2, -1);
  const first = segments.findIndex(hasGlob);
  const fixed = first < 0 ? segments : segments.slice(0, first);
  // A folder such as /dev/serial comes with its first device: the ones above tell of it.
  const folders = [devRoot];
  for (const segment of fixed) folders.push(join(folders.at(-1) ?? devRoot, segment));
  return folders;
}

async function expand(
  segments: readonly string[],
  root: string,
  files: DeviceFiles,
): Promise<readonly string[]> {
  let paths: readonly string[] = [root];
  for (const segment of segments) {
    if (!hasGlob(segment)) {
      paths = paths.map((path) => join(path, segment));
      continue;
    }
    const fits = globMatcher(segment);
    const next: string[] = [];
    for (const path of paths) {
      const names = (await files.list(path)).filter(fits).sort();
      next.push(...names.map((name) => join(path, name)));
      if (next.length > MOST_NODES) break;
    }
    paths = next.slice(0, MOST_NODES);
  }
  return paths;
}

function isOdd(segment: string): boolean {
  return segment === "" || segment === "." || segment === "..";
}

/** Root without CAP_DAC_OVERRIDE is held to the bits of the file like anybody. */
function rootMay({ mode, uid, gid }: NodeInfo, permissions: string): boolean {
  const shift = uid === 0 ? 6 : gid === 0 ? 3 : 0;
  const bits = (mode >> shift) & 7;
  return (!permissions.includes("r") || (bits & 4) !== 0) && (!permissions.includes("w") || (bits & 2) !== 0);
}

/** Serial number and ids of the USB device that a node belongs to; nothing when it is no USB device. */
async function usbNames(number: string, sysfs: string, files: DeviceFiles): Promise<Partial<FoundDevice>> {
  const start = await files.resolve(join(sysfs, "dev", number));
  let folder = start ?? "/";
  for (let level = 0; level < DEEPEST && folder !== "/"; level += 1) {
    const vendorId = await files.read(join(folder, "idVendor"));
    if (vendorId !== undefined) {
      const [productId, serialNumber, manufacturer, product] = await Promise.all(
        ["idProduct", "serial", "manufacturer", "product"].map((name) => files.read(join(folder, name))),
      );
      return { vendorId, productId, serialNumber: serialNumber || undefined, manufacturer, product };
    }
    folder = dirname(folder);
  }
  return {};
}

/** The real file system. */
export const systemFiles: DeviceFiles = {
  list: (folder) => unlessMissing(readdir(folder)).then((names) => names ?? []),
  async inspect(path) {
    const info = await unlessMissing(stat(path, { bigint: true }));
    if (info === undefined) return undefined;
    const kind = info.isCharacterDevice() || info.isBlockDevice() ? "device" : "other";
    const { rdev } = info;
    const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
    const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn & 0xffffffffn);
    const number = `${info.isBlockDevice() ? "block" : "char"}/${major}:${minor}`;
    return { kind, mode: Number(info.mode) & 0o777, uid: Number(info.uid), gid: Number(info.gid), number };
  },
  read: (path) => unlessMissing(readFile(path, "utf8")).then((text) => text?.trim()),
  resolve: (path) => unlessMissing(realpath(path)),
};

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ENXIO", "ENODEV"].includes(codeOf(error))) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
