/** Status of an HSMSecret: what was found, and the base of the three-way comparison. */

import * as v from "valibot";
import { choice, conditions, described, flag, integer, listByKey, text, time } from "./fields.ts";

export const SYNC_STATUSES = ["InSync", "OutOfSync", "Error", "Pending"] as const;
export type SyncStatus = (typeof SYNC_STATUSES)[number];

const checksum = (what: string) =>
  text(
    `Keyed checksum of ${what}: hmac-sha256:<key id>:<hex>. Tells nothing without the operator's key.`,
    256,
  );

const base = described(
  v.object({
    pool: text("Id of the pool that the token belonged to.", 64),
    generation: integer("Generation of the record; 0 for objects that other programs wrote.", 0),
    digest: text(
      "First 32 hex digits of the record's SHA-256; empty for objects that other programs wrote.",
      64,
    ),
    dot: v.optional(
      described(
        v.object({
          device: text("Serial number of the device that accepted the record first.", 256),
          counter: integer("That device's count at this path.", 0),
        }),
        "Identifies the record; a later one descends from it.",
      ),
    ),
    secretUID: v.optional(text("UID of the Secret; absent after a deletion was carried over.", 64)),
    secretResourceVersion: v.optional(text("resourceVersion of the Secret.", 64)),
    checksum: checksum("the data of both sides"),
  }),
  "What both sides were when they were last seen equal.",
);

const deviceStatus = described(
  v.object({
    deviceName: text("Name of the HSMDevice.", 253),
    serialNumber: text("Serial number of the device.", 256),
    status: choice(SYNC_STATUSES, "Whether this device holds the current record."),
    generation: v.optional(integer("Generation on this device.", 0)),
    checksum: v.optional(checksum("the data on this device")),
    online: flag("Whether the device answers."),
    lastSyncTime: v.optional(time("When this device last received a record.")),
    lastError: v.optional(text("Why it does not hold the current record.")),
  }),
  "One device.",
);

export const hsmSecretStatus = described(
  v.object({
    syncStatus: v.optional(choice(SYNC_STATUSES, "Whether the two sides agree.")),
    hsmChecksum: v.optional(checksum("the data on the token, after the mapping of keys")),
    secretChecksum: v.optional(checksum("the data of the Secret")),
    base: v.optional(base),
    hsmGeneration: v.optional(integer("Generation of the record on the token.", 0)),
    lastSyncTime: v.optional(time("When the two sides were last brought into agreement.")),
    lastError: v.optional(text("Why they cannot be brought into agreement; absent when they can.")),
    secretRef: v.optional(
      described(
        v.object({
          name: text("Name of the Secret.", 253),
          namespace: text("Namespace of the Secret.", 253),
        }),
        "The Secret.",
      ),
    ),
    observedGeneration: v.optional(integer("The metadata.generation that this status speaks of.", 0)),
    conditions: v.optional(conditions("Ready, Synced, Conflict")),
    deviceSyncStatus: v.optional(
      listByKey(deviceStatus, ["serialNumber"], 64, "One entry a device of the pool."),
    ),
    primaryDevice: v.optional(text("Serial number of the device that is written first.", 256)),
    syncConflict: v.optional(
      flag("Whether devices of the pool hold records of which neither descends from the other."),
    ),
  }),
  "What the operator found.",
);

export type HsmSecretStatus = v.InferOutput<typeof hsmSecretStatus>;
export type Base = v.InferOutput<typeof base>;
export const baseSchema = base;
