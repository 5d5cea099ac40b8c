/** The report: a pure function of what was found, the HSMDevices, the node and the time. */

import {
  type DeviceReport,
  MAX_REPORT_BYTES,
  MAX_REPORTED_DEVICES,
  type ReportedDevice,
} from "../crd/device-report.ts";
import type { HsmDeviceSpec } from "../crd/hsmdevice.ts";
import { parseHsmDevice } from "../crd/parse.ts";
import { timeOf } from "../kube/conditions.ts";
import { fitsSelector, type Labels } from "../kube/labels.ts";
import { equal } from "../kube/status.ts";
import type { Finding, FoundDevice } from "./finder.ts";
import type { HsmDeviceObject } from "./resource.ts";

export interface NodeView {
  readonly name: string;
  readonly labels: Labels;
}

export interface WantedDevice {
  readonly name: string;
  readonly spec: HsmDeviceSpec;
}

export interface ReportInput {
  readonly hsmDevices: readonly HsmDeviceObject[];
  readonly node: NodeView;
  /** By the name of the HSMDevice; one that was not looked for yet is not reported. */
  readonly findings: ReadonlyMap<string, Finding>;
  readonly heartbeatSeconds: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const LONGEST_ERROR = 1024;

/** The HSMDevices that this node is asked to look for, by name. One that cannot be read is the manager's to report. */
export function wantedOn(hsmDevices: readonly HsmDeviceObject[], node: NodeView): readonly WantedDevice[] {
  return hsmDevices
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap((object) => {
      const parsed = parseHsmDevice(object);
      if (!parsed.ok || !fitsSelector(parsed.value.spec.nodeSelector, node.labels)) return [];
      return [{ name: object.metadata.name, spec: parsed.value.spec }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function reportsOf(input: ReportInput): readonly DeviceReport[] {
  const at = timeOf(input.now);
  return wantedOn(input.hsmDevices, input.node).flatMap(({ name }) => {
    const finding = input.findings.get(name);
    if (finding === undefined) return [];
    const { devices, error } = finding;
    const fits = devices.slice(0, MAX_REPORTED_DEVICES);
    const limited = finding.limited || fits.length < devices.length;
    return [
      {
        hsmDeviceName: name,
        reportingNode: input.node.name,
        discoveredDevices: fits.map((device) => told(device, at)),
        lastReportTime: at,
        discoveryStatus: error !== undefined ? "Failed" : limited ? "Limited" : "Complete",
        ...(error === undefined ? {} : { error: error.slice(0, LONGEST_ERROR) }),
        heartbeatSeconds: input.heartbeatSeconds,
      } as const,
    ];
  });
}

function told(device: FoundDevice, lastSeen: string): ReportedDevice {
  const cut = (text: string | undefined, length: number) =>
    text === "" ? undefined : text?.slice(0, length);
  const entry = {
    devicePath: cut(device.devicePath, 256),
    serialNumber: cut(device.serialNumber, 256),
    vendorId: hexId(device.vendorId),
    productId: hexId(device.productId),
    lastSeen,
    manufacturer: cut(device.manufacturer, 128),
    product: cut(device.product, 128),
  };
  return Object.fromEntries(
    Object.entries(entry).filter(([, value]) => value !== undefined),
  ) as unknown as ReportedDevice;
}

function hexId(id: string | undefined): string | undefined {
  return id !== undefined && /^[0-9a-f]{4}$/.test(id) ? id : undefined;
}

/** Equal but for the times: no reason to write. */
export function sameReports(a: readonly DeviceReport[], b: readonly DeviceReport[]): boolean {
  const content = (reports: readonly DeviceReport[]) =>
    reports.map((report) => ({
      ...report,
      lastReportTime: undefined,
      discoveredDevices: report.discoveredDevices.map((device) => ({ ...device, lastSeen: undefined })),
    }));
  return equal(content(a), content(b));
}

/**
 * The annotation: one object, or a list of several; `undefined` when there is nothing to report. At most
 * MAX_REPORT_BYTES: the longest list of devices gives way, and its report says Limited.
 */
export function annotationOf(reports: readonly DeviceReport[]): string | undefined {
  if (reports.length === 0) return undefined;
  const fitting = [...reports];
  for (;;) {
    const text = JSON.stringify(fitting.length === 1 ? fitting[0] : fitting);
    if (Buffer.byteLength(text) <= MAX_REPORT_BYTES) return text;
    const longest = fitting.reduce(
      (most, report, index) =>
        report.discoveredDevices.length > (fitting[most]?.discoveredDevices.length ?? 0) ? index : most,
      0,
    );
    const report = fitting[longest];
    if (report === undefined) return undefined;
    if (report.discoveredDevices.length === 0) fitting.pop();
    else fitting[longest] = shortened(report);
  }
}

function shortened(report: DeviceReport): DeviceReport {
  const discoveredDevices = report.discoveredDevices.slice(0, -1);
  const discoveryStatus = report.discoveryStatus === "Complete" ? "Limited" : report.discoveryStatus;
  return { ...report, discoveredDevices, discoveryStatus };
}
