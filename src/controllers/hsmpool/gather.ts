/** From the reports of the nodes to the devices of a pool. Pure. */

import { createHash } from "node:crypto";
import type { ReportedDevice } from "../../crd/device-report.ts";
import type { HsmPoolStatus } from "../../crd/hsmpool.ts";
import { timeOf } from "../../kube/conditions.ts";
import type { PoolFacts } from "./facts.ts";
import { type Heard, patience } from "./voices.ts";

export type AggregatedDevice = NonNullable<HsmPoolStatus["aggregatedDevices"]>[number];

/** As the CRD allows. */
const MOST_DEVICES = 1024;
const NAMELESS = "no-serial:";

export interface Gathered {
  /** By serial number. */
  readonly devices: readonly AggregatedDevice[];
  /** Serial numbers of devices that no report tells now, but whose node was heard within the grace period. */
  readonly remembered: readonly string[];
  /** Serial numbers that several nodes report at once. */
  readonly onTwoNodes: readonly string[];
  /** Devices that no agent may serve, since they have no serial number and are not alone. */
  readonly nameless: readonly string[];
  /** When a device leaves the list unless it is heard of before. */
  readonly deadlines: readonly number[];
  readonly silentSince: ReadonlyMap<string, number>;
}

interface Sighting {
  readonly nodeName: string;
  readonly device: ReportedDevice;
}

export function gather(facts: PoolFacts, heard: Heard): Gathered {
  const sightings = sightingsBySerial(heard);
  const prior = new Map((facts.prior.aggregatedDevices ?? []).map((entry) => [entry.serialNumber, entry]));
  const devices = new Map<string, AggregatedDevice>();
  const onTwoNodes: string[] = [];
  for (const [serial, seen] of sightings) {
    const before = prior.get(serial);
    // Its agent runs where it was: as long as that node reports it, nothing moves.
    const here = seen.find(({ nodeName }) => nodeName === before?.nodeName) ?? seen[0];
    if (here === undefined) continue;
    if (seen.length > 1) onTwoNodes.push(serial);
    devices.set(serial, entryOf(serial, here, before));
  }
  const absent = keepAbsent(
    facts,
    heard,
    [...prior.values()].filter((e) => !devices.has(e.serialNumber)),
  );
  for (const entry of absent.kept) devices.set(entry.serialNumber, entry);

  const there = [...devices.values()].filter(({ serialNumber }) => !absent.lost.has(serialNumber));
  const nameless = there.length > 1 ? there.map((e) => e.serialNumber).filter(isNameless) : [];
  for (const serial of nameless) {
    const entry = devices.get(serial);
    if (entry !== undefined) devices.set(serial, { ...entry, available: false });
  }
  const listed = [...devices.values()]
    .sort((a, b) => (a.serialNumber < b.serialNumber ? -1 : 1))
    .slice(0, MOST_DEVICES);
  return {
    devices: listed,
    remembered: absent.remembered.sort(),
    onTwoNodes: onTwoNodes.sort(),
    nameless: nameless.sort(),
    deadlines: absent.deadlines,
    silentSince: absent.silentSince,
  };
}

/** A device without a serial number, under the name that stands in for one. */
export function isNameless(serial: string): boolean {
  return serial.startsWith(NAMELESS);
}

function standIn(nodeName: string, device: ReportedDevice): string {
  const name = `${NAMELESS}${nodeName}:${device.devicePath ?? ""}`;
  if (name.length <= 256) return name;
  return `${NAMELESS}${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}

/** What the counting reports tell, each device once a node; nodes in the order of their names. */
function sightingsBySerial(heard: Heard): ReadonlyMap<string, readonly Sighting[]> {
  const sightings = new Map<string, Sighting[]>();
  const voices = [...heard.voices.values()].sort((a, b) => (a.nodeName < b.nodeName ? -1 : 1));
  for (const { nodeName, fresh, report } of voices) {
    if (!fresh || report === undefined) continue;
    const told = new Set<string>();
    for (const device of report.discoveredDevices) {
      const claimed = device.serialNumber;
      // The prefix of our own stand-ins is nobody's serial number.
      const serial = claimed === undefined || isNameless(claimed) ? standIn(nodeName, device) : claimed;
      if (told.has(serial)) continue;
      told.add(serial);
      const seen = sightings.get(serial);
      if (seen === undefined) sightings.set(serial, [{ nodeName, device }]);
      else seen.push({ nodeName, device });
    }
  }
  return sightings;
}

function entryOf(serial: string, seen: Sighting, before: AggregatedDevice | undefined): AggregatedDevice {
  const { device, nodeName } = seen;
  const { devicePath, vendorId, productId } = device;
  return {
    // What agents add stays: agent, role, capacity, PIN state.
    ...before,
    serialNumber: serial,
    nodeName,
    devicePath,
    vendorId,
    productId,
    available: true,
    lastSeen: timeOf(Date.parse(device.lastSeen)),
  };
}

/**
 * Devices that no report tells. Where the node's pod looked and did not see it, the node is gone or fits no more, the
 * device is lost: unavailable at once, and forgotten after the grace period. Where nobody looked, it stays as it was
 * until the silence has lasted that long.
 */
function keepAbsent(facts: PoolFacts, heard: Heard, absent: readonly AggregatedDevice[]) {
  const kept: AggregatedDevice[] = [];
  const lost = new Set<string>();
  const remembered: string[] = [];
  const deadlines: number[] = [];
  const silentSince = new Map<string, number>();
  for (const entry of absent) {
    const { nodeName, serialNumber } = entry;
    const voice = heard.voices.get(nodeName);
    const looked = voice?.fresh === true && voice.report?.discoveryStatus !== "Failed";
    if (!heard.nodes.has(nodeName) || looked) {
      // The status tells times only with other changes: what was available until now was seen until now.
      const known = Date.parse(entry.lastSeen ?? "");
      const lastSeen = entry.available || Number.isNaN(known) ? facts.now : Math.min(known, facts.now);
      if (facts.now >= lastSeen + facts.gracePeriod) continue;
      deadlines.push(lastSeen + facts.gracePeriod);
      kept.push({ ...entry, available: false, lastSeen: timeOf(lastSeen) });
      lost.add(serialNumber);
      continue;
    }
    const stale = voice?.fresh === false && voice.report !== undefined ? voice : undefined;
    const since = facts.silentSince.get(nodeName) ?? facts.now;
    const until =
      stale?.report === undefined
        ? since + facts.gracePeriod
        : Math.max(stale.reportedAt, facts.observingSince) + patience(stale.report, facts.gracePeriod);
    silentSince.set(nodeName, since);
    if (facts.now >= until) continue;
    deadlines.push(until);
    kept.push(entry);
    remembered.push(serialNumber);
  }
  return { kept, lost, remembered, deadlines, silentSince };
}
