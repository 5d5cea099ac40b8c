/**
 * What a discovery pod says in its own annotation `hsm.j5t.io/device-report`: one report, or a list of them where
 * several HSMDevices fit its node. Anybody who may patch the pod can write there: it is checked before it counts.
 */

import * as v from "valibot";
import { GROUP } from "./names.ts";

export const ANNOTATION_DEVICE_REPORT = `${GROUP}/device-report`;

/** Most bytes of UTF-8 in the annotation; all annotations of an object share 256 KiB. */
export const MAX_REPORT_BYTES = 64 * 1024;
/** As spec.maxDevices of an HSMDevice at most. */
export const MAX_REPORTED_DEVICES = 64;
const MOST_REPORTS = 256;

const bounded = (length: number) => v.pipe(v.string(), v.maxLength(length));
const time = v.pipe(
  v.string(),
  v.maxLength(40),
  v.check((text) => !Number.isNaN(Date.parse(text)), "must be a time"),
);

const reportedDevice = v.object({
  /** On the node, e.g. `/dev/bus/usb/001/005`: changes at each plug. */
  devicePath: v.optional(bounded(256)),
  /** Absent when the device has none, or does not tell it. */
  serialNumber: v.optional(v.pipe(bounded(256), v.minLength(1))),
  /** Four hex digits in lower case. */
  vendorId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{4}$/))),
  productId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{4}$/))),
  /** RFC 3339. */
  lastSeen: time,
  manufacturer: v.optional(bounded(128)),
  product: v.optional(bounded(128)),
});

const deviceReport = v.object({
  hsmDeviceName: v.pipe(bounded(253), v.minLength(1)),
  reportingNode: v.pipe(bounded(253), v.minLength(1)),
  discoveredDevices: v.pipe(v.array(reportedDevice), v.maxLength(MAX_REPORTED_DEVICES)),
  /** RFC 3339. */
  lastReportTime: time,
  /** Complete: all there is. Limited: there are more than fit. Failed: the search could not be made, see `error`. */
  discoveryStatus: v.picklist(["Complete", "Limited", "Failed"]),
  error: v.optional(bounded(1024)),
  /** Most seconds until the next report, also when nothing changes. */
  heartbeatSeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(3600))),
});

export type ReportedDevice = v.InferOutput<typeof reportedDevice>;
export type DeviceReport = v.InferOutput<typeof deviceReport>;

const annotation = v.pipe(
  v.union([deviceReport, v.pipe(v.array(deviceReport), v.maxLength(MOST_REPORTS))]),
  v.transform((input) => (Array.isArray(input) ? input : [input])),
);

export type ParsedReports =
  | { readonly ok: true; readonly reports: readonly DeviceReport[] }
  /** `message` is one sentence and repeats nothing of the text, which may be anything. */
  | { readonly ok: false; readonly reason: "ReportTooLarge" | "ReportMalformed"; readonly message: string };

export function parseDeviceReports(text: string): ParsedReports {
  if (text.length > MAX_REPORT_BYTES || Buffer.byteLength(text) > MAX_REPORT_BYTES) {
    return {
      ok: false,
      reason: "ReportTooLarge",
      message: `The device report is larger than ${MAX_REPORT_BYTES} bytes and was not read.`,
    };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed("The device report is not JSON.");
  }
  const result = v.safeParse(annotation, value, { abortEarly: true });
  if (!result.success) return malformed("The device report does not have the form of one.");
  const names = result.output.map((report) => report.hsmDeviceName);
  if (new Set(names).size < names.length) {
    return malformed("The device report speaks of one HSMDevice twice.");
  }
  return { ok: true, reports: result.output };
}

function malformed(message: string): ParsedReports {
  return { ok: false, reason: "ReportMalformed", message };
}
