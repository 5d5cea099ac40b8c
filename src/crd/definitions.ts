/** The CustomResourceDefinitions of the three kinds, as objects. `npm run generate` writes them to crds/. */

import type * as v from "valibot";
import { hsmDeviceSchema } from "./hsmdevice.ts";
import { hsmPoolSchema } from "./hsmpool.ts";
import { hsmSecretSchema } from "./hsmsecret.ts";
import { GROUP, VERSION } from "./names.ts";
import { type StructuralSchema, structuralSchema } from "./structural.ts";

interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly jsonPath: string;
  readonly description: string;
  /** 1: only with `-o wide`. */
  readonly priority?: 1;
}

interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly schema: v.GenericSchema;
  readonly hasStatus: boolean;
  readonly columns: readonly Column[];
  readonly selectableFields?: readonly string[];
}

const age: Column = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "Time since it was created.",
};

function column(
  name: string,
  type: Column["type"],
  jsonPath: string,
  description: string,
  priority?: 1,
): Column {
  return priority === undefined
    ? { name, type, jsonPath, description }
    : { name, type, jsonPath, description, priority };
}

const DEFINITIONS: readonly Definition[] = [
  {
    kind: "HSMSecret",
    plural: "hsmsecrets",
    shortName: "hsmsec",
    schema: hsmSecretSchema,
    hasStatus: true,
    selectableFields: [".status.syncStatus", ".spec.hsmPath", ".spec.deviceRef.name"],
    columns: [
      column("Secret", "string", ".status.secretRef.name", "The Kubernetes Secret."),
      column("Status", "string", ".status.syncStatus", "Whether the two sides agree."),
      column("Generation", "integer", ".status.hsmGeneration", "Generation on the token."),
      column("Last Sync", "date", ".status.lastSyncTime", "When they were last brought into agreement."),
      age,
      column("Path", "string", ".spec.hsmPath", "The path on the token, where it is set.", 1),
      column("Device", "string", ".spec.deviceRef.name", "The HSMDevice, where it is set.", 1),
      column("Error", "string", ".status.lastError", "Why they do not agree.", 1),
    ],
  },
  {
    kind: "HSMDevice",
    plural: "hsmdevices",
    shortName: "hsmdev",
    schema: hsmDeviceSchema,
    hasStatus: false,
    columns: [
      column("Type", "string", ".spec.deviceType", "The kind of hardware."),
      column("Discovery", "string", ".spec.discovery", "How it is found."),
      column("Max Devices", "integer", ".spec.maxDevices", "Most devices a node."),
      age,
    ],
  },
  {
    kind: "HSMPool",
    plural: "hsmpools",
    shortName: "hsmpool",
    schema: hsmPoolSchema,
    hasStatus: true,
    columns: [
      column("Phase", "string", ".status.phase", "How far the search has come."),
      column("Total", "integer", ".status.totalDevices", "Devices that were found."),
      column("Available", "integer", ".status.availableDevices", "Devices that can be used."),
      column("Reporting", "integer", ".status.reportingCount", "Discovery pods that report."),
      column("Last Aggregation", "date", ".status.lastAggregationTime", "When something last changed."),
      age,
      column("Nodes", "string", ".status.nodes", "Nodes with a device.", 1),
      column(
        "Mirrored",
        "string",
        '.status.conditions[?(@.type=="Mirrored")].status',
        "Whether all devices hold the same.",
        1,
      ),
    ],
  },
];

/** The CRDs, in the form that `kubectl apply` takes. */
export function customResourceDefinitions(): readonly (Readonly<Record<string, unknown>> & {
  readonly metadata: { readonly name: string };
})[] {
  return DEFINITIONS.map((definition) => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${definition.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: {
        kind: definition.kind,
        listKind: `${definition.kind}List`,
        plural: definition.plural,
        singular: definition.kind.toLowerCase(),
        shortNames: [definition.shortName],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          ...(definition.hasStatus ? { subresources: { status: {} } } : {}),
          ...(definition.selectableFields === undefined
            ? {}
            : { selectableFields: definition.selectableFields.map((jsonPath) => ({ jsonPath })) }),
          additionalPrinterColumns: definition.columns,
          schema: { openAPIV3Schema: rootSchema(structuralSchema(definition.schema)) },
        },
      ],
    },
  }));
}

/** Adds what every object has, with the descriptions that `kubectl explain` shows for them elsewhere. */
function rootSchema(schema: StructuralSchema): StructuralSchema {
  const { description, type, properties, ...rest } = schema;
  return {
    description,
    type,
    properties: {
      apiVersion: {
        description:
          "APIVersion defines the versioned schema of this representation of an object. Servers convert recognized schemas to the latest internal value, and may reject unrecognized values.",
        type: "string",
      },
      kind: {
        description:
          "Kind is a string value representing the REST resource this object represents. Cannot be updated. In CamelCase.",
        type: "string",
      },
      metadata: { type: "object" },
      ...(properties as StructuralSchema),
    },
    ...rest,
  };
}
