/** Events are kept in the form of core/v1 and shown as events.k8s.io/v1 to who asks there. */

import { isJsonObject, type JsonObject, type KubeObject } from "../object.ts";

/** core/v1 name, events.k8s.io/v1 name. */
const RENAMED: readonly (readonly [core: string, events: string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["reportingComponent", "reportingController"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
];

function rename(object: KubeObject, from: 0 | 1, apiVersion: string): KubeObject {
  const names = new Map(RENAMED.map((pair) => [pair[from], pair[from === 0 ? 1 : 0]]));
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(object)) result[names.get(key) ?? key] = value;
  return { ...result, kind: "Event", apiVersion, metadata: { ...object.metadata } } as KubeObject;
}

export const eventConversion = {
  fromStored: (object: KubeObject): KubeObject => rename(object, 0, "events.k8s.io/v1"),
  toStored: (object: KubeObject): KubeObject => {
    const stored = rename(object, 1, "v1");
    return { ...stored, source: isJsonObject(stored["source"]) ? stored["source"] : {} };
  },
};
