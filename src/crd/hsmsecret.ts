/** HSMSecret: a secret on a token and a Secret of the same namespace that shall agree. */

import * as v from "valibot";
import {
  choice,
  described,
  flag,
  immutable,
  integer,
  listByKey,
  nonEmptyText,
  objectName,
  path,
  type Rule,
  secretKey,
  stringMap,
  text,
} from "./fields.ts";
import { hsmSecretStatus } from "./hsmsecret-status.ts";
import { REFUSED_SECRET_TYPES } from "./names.ts";

export const DIRECTIONS = ["Bidirectional", "HSMToSecret", "SecretToHSM"] as const;
export type Direction = (typeof DIRECTIONS)[number];

const rolloutTarget = described(
  v.object({
    kind: choice(["Deployment", "StatefulSet", "DaemonSet"], "The kind of the workload."),
    name: objectName("The name of the workload, in the namespace of the HSMSecret."),
  }),
  "One workload.",
);

const keyMapping = described(
  v.object({
    from: secretKey("The key on the token."),
    to: secretKey("The key in the Secret."),
  }),
  "One key.",
);

const rotationKey = described(
  v.object({
    name: secretKey("The key to renew."),
    generate: choice(["Bytes", "Password", "RSA", "EC"], "What to generate for it."),
    length: v.optional(
      integer("Bytes, characters or bits; what is usual for the kind unless set.", 1, 16384),
    ),
  }),
  "One key to renew.",
);

/** Duration as in Go: `90s`, `5m`, `720h`. */
export const duration = (description: string) =>
  described(
    v.pipe(
      v.string(),
      v.maxLength(32),
      v.regex(/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/, "must be a duration such as 90s, 5m or 720h"),
    ),
    description,
  );

const specRules: readonly Rule[] = [
  immutable("hsmPath"),
  immutable("secretName"),
  immutable("secretType"),
  {
    rule: "!has(self.keys) || self.direction == 'HSMToSecret'",
    message: "keys needs direction HSMToSecret: a part of a secret cannot be written back as the whole",
    fieldPath: ".keys",
  },
  {
    rule: `!(self.secretType in [${REFUSED_SECRET_TYPES.map((type) => `'${type}'`).join(", ")}])`,
    message: "Secrets of this type mint credentials and cannot be kept on a token",
    fieldPath: ".secretType",
  },
];

const spec = described(
  v.object({
    hsmPath: v.optional(
      path(
        "The path of the secret on the token, at most 128 bytes; secrets/<namespace>/<name> of the HSMSecret unless set. Immutable.",
      ),
    ),
    secretName: v.optional(
      objectName("The name of the Secret in this namespace; the HSMSecret's own name unless set. Immutable."),
    ),
    secretType: v.optional(
      nonEmptyText(
        "The type of the Secret. Types that mint credentials, such as service account tokens, are refused. Immutable, as in Kubernetes.",
        253,
      ),
      "Opaque",
    ),
    autoSync: v.optional(
      flag(
        "Whether changes are carried over on their own. When false, neither side is written until the annotation hsm.j5t.io/sync-now gets a new value.",
      ),
      true,
    ),
    syncInterval: v.optional(
      integer(
        "Seconds between two looks at the token: the longest time for which a change there goes unseen without an event.",
        5,
        86400,
      ),
      300,
    ),
    direction: v.optional(
      choice(
        DIRECTIONS,
        "Which side may be written: both, only the Secret (HSMToSecret), or only the token (SecretToHSM; the Secret stays its owner's and goes on to the token only with adopt).",
      ),
      "Bidirectional",
    ),
    conflictPolicy: v.optional(
      choice(
        ["Report", "PreferHSM", "PreferSecret"],
        "What to do when both sides changed. Report writes nothing and waits for the annotation hsm.j5t.io/resolve. The others act only where the losing side is kept in the token's history.",
      ),
      "Report",
    ),
    deletionPolicy: v.optional(
      choice(["Retain", "Delete"], "What happens to the data on the token when the HSMSecret is deleted."),
      "Retain",
    ),
    secretDeletionPolicy: v.optional(
      choice(["Delete", "Retain"], "What happens to the Secret when the HSMSecret is deleted."),
      "Delete",
    ),
    rolloutRestart: v.optional(
      listByKey(
        rolloutTarget,
        ["kind", "name"],
        16,
        "Workloads of this namespace to restart, as kubectl rollout restart does, once after each change of the Secret's data.",
      ),
    ),
    adopt: v.optional(
      flag(
        "Whether a Secret that exists already and is not ours may be taken over, or with SecretToHSM copied to the token.",
      ),
      false,
    ),
    deviceRef: v.optional(
      described(
        v.object({ name: objectName("The name of the HSMDevice.") }),
        "The HSMDevice to use; any device whose policy grants the path unless set.",
      ),
    ),
    parentRef: v.optional(
      described(
        v.object({
          name: objectName("The name of the operator's instance."),
          namespace: v.optional(objectName("The namespace of the operator's instance.")),
          group: v.optional(text("The API group of the instance.", 253), "apps"),
          kind: v.optional(text("The kind of the instance.", 63), "Deployment"),
        }),
        "The one instance of the operator that serves this object; every instance that watches the namespace unless set.",
      ),
    ),
    historyLimit: v.optional(
      integer(
        "Generations to keep on the token behind the current one; the device's own limit unless set.",
        0,
        20,
      ),
    ),
    keys: v.optional(
      listByKey(
        keyMapping,
        ["to"],
        64,
        "Which keys of the token's secret go into the Secret and under what names; all of them unless set. Needs direction HSMToSecret.",
      ),
    ),
    template: v.optional(
      described(
        v.object({
          labels: v.optional(stringMap("Labels. Keys under kubernetes.io and k8s.io are refused.")),
          annotations: v.optional(stringMap("Annotations. Keys under kubernetes.io and k8s.io are refused.")),
        }),
        "Metadata to put on the Secret.",
      ),
    ),
    rotation: v.optional(
      described(
        v.object({
          interval: duration("Time between two renewals, e.g. 720h."),
          grace: v.optional(duration("How long the values before are kept in the history.")),
          keys: listByKey(rotationKey, ["name"], 32, "The keys to renew."),
        }),
        "Renews values on schedule from the token's random generator.",
      ),
    ),
  }),
  "What shall agree, and how.",
  { "x-kubernetes-validations": specRules },
);

export const hsmSecretSchema = described(
  v.object({ spec, status: v.optional(hsmSecretStatus) }),
  "HSMSecret keeps a secret on a PKCS#11 token and a Kubernetes Secret in agreement.",
);

export type HsmSecretSpec = v.InferOutput<typeof spec>;
