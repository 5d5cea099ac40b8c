/** HSMDevice: a kind of hardware to look for, and how to talk to it. Counts in the operator's namespace only. */

import * as v from "valibot";
import {
  choice,
  described,
  flag,
  integer,
  listByKey,
  nonEmptyText,
  objectName,
  path,
  secretKey,
  setOf,
  stringMap,
} from "./fields.ts";

export const DEVICE_TYPES = [
  "PicoHSM",
  "SmartCard-HSM",
  "NitrokeyHSM",
  "YubiHSM",
  "SoftHSM",
  "Generic",
] as const;

const hexId = (description: string) =>
  described(
    v.pipe(v.string(), v.regex(/^[0-9a-f]{4}$/, "must be four hex digits in lower case")),
    description,
  );

const usbId = v.object({
  vendorId: hexId("USB vendor id."),
  productId: hexId("USB product id."),
  serialNumber: v.optional(nonEmptyText("Only the device with this serial number.", 256)),
});

/** One id or a list of them: no structural schema says that, so the fields are checked by the operator. */
const usb = v.pipe(
  v.union([usbId, v.pipe(v.array(usbId), v.minLength(1), v.maxLength(32))]),
  v.metadata({
    description:
      "By USB ids: {vendorId, productId, serialNumber} or a list of these. Ids are four hex digits in lower case; serialNumber is optional.",
    "x-kubernetes-preserve-unknown-fields": true,
  }),
  v.transform((input) => (Array.isArray(input) ? input : [input])),
);

const devicePath = described(
  v.object({
    path: described(
      v.pipe(v.string(), v.maxLength(256), v.regex(/^\//, "must be absolute")),
      "A glob of device nodes, e.g. /dev/ttyUSB*.",
    ),
    permissions: v.optional(
      described(
        v.pipe(v.string(), v.regex(/^[rwm]{1,3}$/)),
        "Permissions of the node in the agent: r, w, m.",
      ),
    ),
  }),
  "By the path of a device node.",
);

const exactlyOne = (input: { usb?: unknown; devicePath?: unknown; autoDiscovery?: unknown }): boolean =>
  [input.usb, input.devicePath, input.autoDiscovery].filter((way) => way !== undefined).length === 1;

const ways = v.object({
  usb: v.optional(usb),
  devicePath: v.optional(devicePath),
  autoDiscovery: v.optional(
    described(v.boolean(), "By the table of well-known USB ids of the deviceType. Set it to true."),
  ),
});

const discovery = v.pipe(
  ways,
  v.check<v.InferOutput<typeof ways>, string>(
    exactlyOne,
    "must have exactly one of usb, devicePath and autoDiscovery",
  ),
  v.metadata({
    description: "How the hardware is found: exactly one of usb, devicePath and autoDiscovery.",
    // usb has no type, so CEL cannot see it; the plain keywords say the same.
    oneOf: [{ required: ["usb"] }, { required: ["devicePath"] }, { required: ["autoDiscovery"] }],
    "x-kubernetes-validations": [
      {
        rule: "!has(self.autoDiscovery) || self.autoDiscovery",
        message: "autoDiscovery: false finds nothing; name usb or devicePath instead",
        fieldPath: ".autoDiscovery",
      },
    ],
  }),
);

const pkcs11 = described(
  v.object({
    libraryPath: v.optional(
      described(
        v.pipe(v.string(), v.maxLength(1024), v.regex(/^\//, "must be an absolute path")),
        "Absolute path of the PKCS#11 library in the agent's image; by deviceType unless set.",
      ),
    ),
    slotId: v.optional(integer("Slot of the token.", 0, 2 ** 31 - 1)),
    tokenLabel: v.optional(
      nonEmptyText(
        "Label of the token. With neither slotId nor tokenLabel it is the token whose serial number was found.",
        32,
      ),
    ),
    pinSecret: v.optional(
      described(
        v.object({
          name: objectName("Name of the Secret."),
          key: v.optional(secretKey("Key of the PIN in it."), "pin"),
          namespace: v.optional(
            objectName(
              "Its namespace; the operator's unless set. Another one only if that Secret names this device in its annotation hsm.j5t.io/pin-for.",
            ),
          ),
        }),
        "The Secret that holds the user PIN.",
      ),
    ),
    maxObjectSize: v.optional(
      integer("Most bytes in one object; by deviceType unless set (cards: 3500).", 256, 1048576),
    ),
    objectCapacity: v.optional(
      integer("Most objects on the token; by deviceType unless set (cards: 120).", 4, 1000000),
    ),
    autoProvision: v.optional(flag("Whether a token that is certainly blank may be initialised."), false),
  }),
  "The PKCS#11 library and the token.",
);

const grant = described(
  v.object({
    namespace: objectName("The namespace whose HSMSecrets are granted the prefix."),
    prefix: path("The path that they may name, and all below it."),
  }),
  "One grant.",
);

const mirroring = described(
  v.object({
    policy: v.optional(
      choice(["None", "ReadOnly", "Active"], "Whether secrets are copied to the other devices of the pool."),
      "None",
    ),
    syncInterval: v.optional(integer("Seconds between two comparisons of the devices.", 5, 86400), 60),
    writeConcern: v.optional(
      choice(["One", "Majority", "All"], "How many devices must hold a write before it counts as done."),
      "Majority",
    ),
    targetNodes: v.optional(
      setOf(objectName("Name of a node."), 64, "Only devices on these nodes; all of them unless set."),
    ),
    primaryNode: v.optional(objectName("The node whose device is written first.")),
    autoFailover: v.optional(flag("Whether another device becomes the primary when that one is gone."), true),
  }),
  "Copies of the secrets on several devices.",
);

const spec = described(
  v.object({
    deviceType: choice(
      DEVICE_TYPES,
      "The kind of hardware: chooses well-known USB ids, sizes, and the default library.",
    ),
    discovery,
    pkcs11: v.optional(pkcs11),
    nodeSelector: v.optional(stringMap("Labels of the nodes to look on; all nodes unless set.")),
    maxDevices: v.optional(integer("Most devices a node.", 1, 64), 10),
    historyLimit: v.optional(
      integer("Generations to keep behind the current one of a secret; by deviceType unless set.", 0, 20),
    ),
    allowedPaths: v.optional(
      listByKey(
        grant,
        ["namespace", "prefix"],
        256,
        "Which namespaces may name which paths on this device. Replaces the default: secrets/<namespace>/ and below belongs to that namespace. An empty list grants nothing.",
      ),
    ),
    mirroring: v.optional(mirroring),
  }),
  "The hardware to look for, and how to talk to it.",
);

export const hsmDeviceSchema = described(
  v.object({ spec }),
  "HSMDevice names a kind of PKCS#11 hardware that the operator looks for and serves. It counts in the operator's namespace only.",
);

export type HsmDeviceSpec = v.InferOutput<typeof spec>;
