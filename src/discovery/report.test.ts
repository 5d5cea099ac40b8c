import { describe, expect, it } from "vitest";
import { MAX_REPORT_BYTES, parseDeviceReports } from "../crd/device-report.ts";
import { type Finding, limit, pickUsb, searchOf, type UsbDevice } from "./finder.ts";
import { annotationOf, type ReportInput, reportsOf, sameReports, wantedOn } from "./report.ts";
import type { HsmDeviceObject } from "./resource.ts";

const NOW = Date.UTC(2026, 0, 1);

function hsmDevice(name: string, spec: object = {}): HsmDeviceObject {
  return {
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMDevice",
    metadata: { name, namespace: "hsm-system", uid: `u-${name}`, resourceVersion: "1" },
    spec: { deviceType: "PicoHSM", discovery: { autoDiscovery: true }, ...spec },
  };
}

const usb = (serialNumber: string | undefined, at = 4, more: Partial<UsbDevice> = {}): UsbDevice => ({
  devicePath: `/dev/bus/usb/001/${String(at).padStart(3, "0")}`,
  vendorId: "20a0",
  productId: "4230",
  serialNumber,
  ...more,
});

function input(findings: Readonly<Record<string, Finding>>, changes: Partial<ReportInput> = {}): ReportInput {
  return {
    hsmDevices: Object.keys(findings).map((name) => hsmDevice(name)),
    node: { name: "n1", labels: { rack: "a" } },
    findings: new Map(Object.entries(findings)),
    heartbeatSeconds: 120,
    now: NOW,
    ...changes,
  };
}

const complete = (...devices: readonly UsbDevice[]): Finding => ({ devices, limited: false });

describe("the report", () => {
  it("of one HSMDevice is one object with what was found", () => {
    const text = annotationOf(reportsOf(input({ pico: complete(usb("A")) }))) ?? "";
    expect(JSON.parse(text)).toEqual({
      hsmDeviceName: "pico",
      reportingNode: "n1",
      discoveredDevices: [
        {
          devicePath: "/dev/bus/usb/001/004",
          serialNumber: "A",
          vendorId: "20a0",
          productId: "4230",
          lastSeen: "2026-01-01T00:00:00Z",
        },
      ],
      lastReportTime: "2026-01-01T00:00:00Z",
      discoveryStatus: "Complete",
      heartbeatSeconds: 120,
    });
  });

  it("of several is a list, and the manager reads both", () => {
    const text = annotationOf(reportsOf(input({ b: complete(), a: complete(usb("A")) }))) ?? "";
    const parsed = parseDeviceReports(text);
    expect(parsed.ok && parsed.reports.map((report) => report.hsmDeviceName)).toEqual(["a", "b"]);
  });

  it("leaves out HSMDevices that do not fit the node, are going, or cannot be read", () => {
    const going = hsmDevice("going");
    const devices = [
      hsmDevice("here", { nodeSelector: { rack: "a" } }),
      hsmDevice("there", { nodeSelector: { rack: "b" } }),
      hsmDevice("odd", { discovery: {} }),
      { ...going, metadata: { ...going.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } },
    ];
    expect(wantedOn(devices, { name: "n1", labels: { rack: "a" } }).map(({ name }) => name)).toEqual([
      "here",
    ]);
    expect(annotationOf(reportsOf(input({}, { hsmDevices: devices })))).toBeUndefined();
  });

  it("says why a search failed", () => {
    const failed = { devices: [], limited: false, error: "sysfs cannot be read" };
    expect(reportsOf(input({ pico: failed }))).toMatchObject([
      { discoveryStatus: "Failed", error: "sysfs cannot be read" },
    ]);
  });

  it("stays within its bound, with words of devices that are as long as they can be", () => {
    const many = Array.from({ length: 64 }, (_, index) =>
      usb(`${index}`.padStart(256, "€"), index, { manufacturer: "€".repeat(500), product: "€".repeat(500) }),
    );
    const reports = reportsOf(input({ a: complete(...many), b: complete(...many), c: complete(usb("C")) }));
    const text = annotationOf(reports) ?? "";
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_REPORT_BYTES);
    const parsed = parseDeviceReports(text);
    expect(
      parsed.ok && parsed.reports.map((r) => [r.discoveryStatus, r.discoveredDevices.length > 0]),
    ).toEqual([
      ["Limited", true],
      ["Limited", true],
      ["Complete", true],
    ]);
  });

  it("is the same while only time passes, and another when a path changes", () => {
    const first = reportsOf(input({ pico: complete(usb("A")) }));
    const later = reportsOf(input({ pico: complete(usb("A")) }, { now: NOW + 60_000 }));
    expect(sameReports(first, later)).toBe(true);
    expect(sameReports(first, reportsOf(input({ pico: complete(usb("A", 5)) })))).toBe(false);
  });
});

describe("finding", () => {
  const specOf = (object: HsmDeviceObject) => {
    const wanted = wantedOn([object], { name: "n1", labels: {} })[0];
    if (wanted === undefined) throw new Error("It cannot be read.");
    return wanted.spec;
  };

  it("by ids, one or several, and by serial number", () => {
    const all = [usb("A"), usb("B", 5), usb("C", 6, { vendorId: "1050", productId: "0407" })];
    const serials = (discovery: object) => {
      const search = searchOf(specOf(hsmDevice("d", { discovery })));
      return search.kind === "usb" ? pickUsb(all, search.ids).devices.map((d) => d.serialNumber) : search;
    };
    const pico = { vendorId: "20a0", productId: "4230" };
    expect(serials({ usb: pico })).toEqual(["A", "B"]);
    expect(serials({ usb: { ...pico, serialNumber: "B" } })).toEqual(["B"]);
    expect(
      serials({
        usb: [
          { ...pico, serialNumber: "A" },
          { vendorId: "1050", productId: "0407" },
        ],
      }),
    ).toEqual(["A", "C"]);
    expect(serials({ autoDiscovery: true })).toEqual(["A", "B"]);
  });

  it("says so where no hardware of a type is well known", () => {
    const search = searchOf(specOf(hsmDevice("soft", { deviceType: "SoftHSM" })));
    expect(search).toMatchObject({ kind: "impossible", message: expect.stringContaining("SoftHSM") });
  });

  it("a serial number that cannot be read is a failure, not a device without one", () => {
    const { devices, error } = pickUsb(
      [usb(undefined, 4, { serialUnreadable: true }), usb("B", 5)],
      [{ vendorId: "20a0", productId: "4230" }],
    );
    expect(devices.map(({ serialNumber }) => serialNumber)).toEqual(["B"]);
    expect(error).toContain("/dev/bus/usb/001/004");
  });

  it("maxDevices keeps those that were reported before", () => {
    const before = [usb("B", 5), usb("C", 6)];
    const { devices, limited } = limit([usb("A", 9), usb("B", 7), usb("C", 6)], 2, before);
    expect(devices.map(({ serialNumber }) => serialNumber)).toEqual(["B", "C"]);
    expect(limited).toBe(true);
  });
});
