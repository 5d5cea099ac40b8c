/** Events are kept in the form of core/v1 and shown as events.k8s.io/v1 to who asks there. */

import { child, isJsonObject, type JsonObject, type KubeObject, sameJson } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { type Cause, invalidValue, required } from "../status/status.ts";
import { subdomainErrors } from "./names.ts";

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
  fromStored: (object: KubeObject): KubeObject => {
    const shown = rename(object, 0, "events.k8s.io/v1");
    for (const field of ["reportingController", "reportingInstance"])
      if (shown[field] === "") delete shown[field];
    return shown;
  },
  toStored: (object: KubeObject): KubeObject => {
    const stored = rename(object, 1, "v1");
    return { ...stored, source: isJsonObject(stored["source"]) ? stored["source"] : {} };
  },
};

export const eventRules: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: true,
  generation: "none",
  separateStatus: false,
  complete,
  validate,
};

const isNewForm = (object: KubeObject): boolean => object.apiVersion === "events.k8s.io/v1";

/** Times and the reporter are always shown, empty where they are not known. */
function complete(object: KubeObject): void {
  object["eventTime"] ??= null;
  if (isNewForm(object)) {
    object["deprecatedFirstTimestamp"] ??= null;
    object["deprecatedLastTimestamp"] ??= null;
    object["deprecatedSource"] ??= {};
    return;
  }
  object["firstTimestamp"] ??= null;
  object["lastTimestamp"] ??= null;
  object["source"] ??= {};
  object["reportingComponent"] ??= "";
  object["reportingInstance"] ??= "";
}

function validate(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const causes: Cause[] = [];
  const about = child(object, isNewForm(object) ? "regarding" : "involvedObject");
  const home = about["namespace"] ?? "";
  const own = object.metadata.namespace ?? "";
  if (home !== own && !(home === "" && own === "default")) {
    causes.push(invalidValue("involvedObject.namespace", home, "does not match event.namespace"));
  }
  if (!isNewForm(object)) return causes;
  if (old === undefined) {
    if (object["eventTime"] === null) causes.push(required("eventTime"));
    const type = object["type"] ?? "";
    if (type !== "Normal" && type !== "Warning") {
      causes.push(invalidValue("type", "", `has invalid value: ${String(type)}`));
    }
    return causes;
  }
  for (const [field, shown] of IMMUTABLE) {
    if (!sameJson(object[field], old[field]))
      causes.push(invalidValue(shown, object[field], "field is immutable"));
  }
  return causes;
}

/** Fields of events.k8s.io/v1 that cannot change, and the names under which they are reported. */
const IMMUTABLE = [
  ["regarding", "involvedObject"],
  ["reason", "reason"],
  ["note", "message"],
  ["type", "type"],
  ["eventTime", "eventTime"],
  ["action", "action"],
] as const;
