/** Tables and PartialObjectMetadata: the two short forms of objects that clients may ask for. */

import type { JsonObject, KubeObject } from "../object.ts";
import type { Column, TableShape } from "../resources/definition.ts";
import { badRequest, invalidValue } from "../status/status.ts";

export type IncludeObject = "Metadata" | "Object" | "None";

export function parseIncludeObject(text: string | null): IncludeObject {
  if (text === null || text === "") return "Metadata";
  if (text === "Metadata" || text === "Object" || text === "None") return text;
  const cause = invalidValue("includeObject", text, "must be 'Metadata', 'Object', 'None', or empty");
  throw badRequest(`Unable to convert to Table as requested: includeObject: ${cause.message}`);
}

export function partialMetadata(object: KubeObject, version = "v1"): JsonObject {
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}

export function table(
  shape: TableShape,
  objects: readonly KubeObject[],
  metadata: JsonObject,
  include: IncludeObject,
  now: number,
  columns: readonly Column[] | null = shape.columns,
  version = "v1",
): JsonObject {
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: columns,
    rows: objects.map((object) => ({
      cells: shape.cells(object, now),
      object: include === "None" ? null : include === "Object" ? object : partialMetadata(object, version),
    })),
  };
}
