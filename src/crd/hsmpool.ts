/** HSMPool: the devices of one HSMDevice that were found. Made by the manager as `<device>-pool`. */

import * as v from "valibot";
import {
  choice,
  conditions,
  described,
  flag,
  integer,
  listByKey,
  objectName,
  setOf,
  text,
  time,
} from "./fields.ts";
import { duration } from "./hsmsecret.ts";

const spec = described(
  v.object({
    hsmDeviceRefs: v.optional(setOf(objectName("Name of an HSMDevice."), 64, "The HSMDevices of this pool.")),
    gracePeriod: v.optional(
      duration("How long the devices of a discovery pod count after it fell silent."),
      "5m",
    ),
    mirroring: v.optional(
      described(
        v.object({
          enabled: v.optional(flag("Whether secrets are copied between the devices."), false),
          primaryRole: v.optional(objectName("The node whose device is written first.")),
        }),
        "Copies of the secrets on several devices.",
      ),
    ),
  }),
  "The devices to gather.",
);

const reportingPod = described(
  v.object({
    podName: text("Name of the discovery pod.", 253),
    nodeName: text("Its node.", 253),
    devicesFound: integer("Devices that it found.", 0, 1024),
    lastReportTime: v.optional(time("When it last reported.")),
    discoveryStatus: v.optional(text("What it said of its search.", 64)),
    fresh: flag("Whether its report is within the grace period."),
    error: v.optional(text("Why it could not search.")),
  }),
  "One discovery pod.",
);

const aggregatedDevice = described(
  v.object({
    devicePath: v.optional(text("Device node.", 256)),
    serialNumber: text("Serial number.", 256),
    nodeName: text("The node that it is plugged into.", 253),
    available: flag("Whether it was seen within the grace period."),
    lastSeen: v.optional(time("When it was last seen.")),
    vendorId: v.optional(text("USB vendor id.", 4)),
    productId: v.optional(text("USB product id.", 4)),
    agent: v.optional(
      described(
        v.object({
          name: text("Name of its Deployment.", 253),
          ready: flag("Whether it answers."),
          address: v.optional(text("Where it is reached.", 512)),
        }),
        "The agent of the device.",
      ),
    ),
    role: v.optional(choice(["Primary", "Mirror"], "Its role among the devices of the pool.")),
    objectsUsed: v.optional(integer("Objects on the token.", 0)),
    objectCapacity: v.optional(integer("Most objects that it holds.", 0)),
    pinState: v.optional(choice(["OK", "CountLow", "FinalTry", "Locked", "Wrong"], "State of the user PIN.")),
  }),
  "One device.",
);

const status = described(
  v.object({
    phase: v.optional(
      choice(["Pending", "Aggregating", "Ready", "Partial", "Error"], "How far the search has come."),
    ),
    totalDevices: v.optional(integer("Devices that were found.", 0, 2 ** 31 - 1)),
    availableDevices: v.optional(integer("Devices that can be used.", 0, 2 ** 31 - 1)),
    expectedPods: v.optional(integer("Discovery pods that should report.", 0, 2 ** 31 - 1)),
    reportingCount: v.optional(
      integer("Discovery pods that report, of those in reportingPods.", 0, 2 ** 31 - 1),
    ),
    reportingPods: v.optional(listByKey(reportingPod, ["podName"], 1024, "One entry a discovery pod.")),
    aggregatedDevices: v.optional(
      listByKey(aggregatedDevice, ["serialNumber"], 1024, "One entry a device, sorted by serial number."),
    ),
    nodes: v.optional(setOf(text("Name of a node.", 253), 1024, "Nodes with a device of this pool.")),
    lastAggregationTime: v.optional(
      time("When the reports were last put together and something had changed."),
    ),
    conditions: v.optional(conditions("Ready, DevicesAvailable, Mirrored, AuthOK")),
  }),
  "What was found.",
);

export const hsmPoolSchema = described(
  v.object({ spec, status: v.optional(status) }),
  "HSMPool gathers the devices of an HSMDevice. The operator makes it; there is nothing to set by hand.",
);

export type HsmPoolSpec = v.InferOutput<typeof spec>;
export type HsmPoolStatus = v.InferOutput<typeof status>;
