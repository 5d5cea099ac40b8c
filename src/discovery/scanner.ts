/** Looks for what the HSMDevices ask for: one look at a time, and once more for what was asked meanwhile. */

import type { Clock } from "../kube/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { type DeviceFiles, findNodes, type Roots } from "./device-nodes.ts";
import {
  type Finding,
  type FoundDevice,
  limit,
  pickUsb,
  searchOf,
  type UsbDevice,
  type UsbSource,
} from "./finder.ts";
import type { WantedDevice } from "./report.ts";

export interface ScannerOptions {
  readonly usb: UsbSource;
  readonly files: DeviceFiles;
  readonly roots: Roots;
  /** `undefined` while it is not known. */
  readonly wanted: () => readonly WantedDevice[] | undefined;
  readonly onFindings: (findings: ReadonlyMap<string, Finding>) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Scanner {
  /** Looks now, or once more when a look is under way. */
  scan(): void;
  /** Milliseconds that the look under way has lasted; 0 when there is none. */
  readonly busyFor: number;
  /** Resolves when no look is under way. */
  idle(): Promise<void>;
}

export function createScanner(options: ScannerOptions): Scanner {
  let before: ReadonlyMap<string, Finding> = new Map();
  let running: Promise<void> | undefined;
  let again = false;
  let startedAt = 0;

  async function look(): Promise<void> {
    do {
      again = false;
      startedAt = options.clock.monotonic();
      const wanted = options.wanted();
      if (wanted === undefined) return;
      const findings = await findAll(wanted, before, options);
      before = findings;
      options.onFindings(findings);
    } while (again);
  }

  function scan(): void {
    if (running !== undefined) {
      again = true;
      return;
    }
    running = look()
      .catch((error: unknown) => options.log.error("a search failed", {}, error))
      .finally(() => {
        running = undefined;
        // Asked for between the end of the loop and here.
        if (again) scan();
      });
  }

  return {
    scan,
    get busyFor() {
      return running === undefined ? 0 : options.clock.monotonic() - startedAt;
    },
    idle: async () => {
      while (running !== undefined) await running;
    },
  };
}

async function findAll(
  wanted: readonly WantedDevice[],
  before: ReadonlyMap<string, Finding>,
  options: ScannerOptions,
): Promise<ReadonlyMap<string, Finding>> {
  let listing: Promise<readonly UsbDevice[]> | undefined;
  const usb = () => {
    listing ??= options.usb.list();
    return listing;
  };
  const findings = new Map<string, Finding>();
  for (const { name, spec } of wanted) {
    const known = before.get(name)?.devices ?? [];
    try {
      const { devices, error } = await find(spec, usb, options);
      findings.set(name, { ...limit(devices, spec.maxDevices, known), error });
    } catch (error) {
      // Nobody looked: the manager keeps what it knows for the grace period.
      const message = error instanceof Error ? error.message : "The search failed.";
      findings.set(name, { devices: [], limited: false, error: message });
    }
  }
  return findings;
}

async function find(
  spec: WantedDevice["spec"],
  usb: () => Promise<readonly UsbDevice[]>,
  { files, roots }: ScannerOptions,
): Promise<{ readonly devices: readonly FoundDevice[]; readonly error?: string | undefined }> {
  const search = searchOf(spec);
  switch (search.kind) {
    case "usb":
      return pickUsb(await usb(), search.ids);
    case "path":
      return findNodes(search.pattern, search.permissions, roots, files);
    case "impossible":
      return { devices: [], error: search.message };
  }
}
