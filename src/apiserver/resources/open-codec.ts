/** The shape of kinds for which no schema is at hand: metadata is checked, the rest is taken as it comes. */

import { copyJson, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { badRequest } from "../status/status.ts";
import type { Codec } from "./definition.ts";

export const OBJECT_META_FIELDS: ReadonlySet<string> = new Set([
  "name",
  "generateName",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "labels",
  "annotations",
  "finalizers",
  "ownerReferences",
  "managedFields",
  "selfLink",
]);

/** An empty managedFields is a wish: start over with the owners. */
const DROPPED_WHEN_EMPTY: ReadonlySet<string> = new Set([
  "labels",
  "annotations",
  "finalizers",
  "ownerReferences",
]);

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}

const TEXT_MAPS: ReadonlySet<string> = new Set(["labels", "annotations"]);

/** Labels and annotations: texts by text; null is the empty text. */
function textMap(kind: string, field: string, value: unknown): JsonObject {
  const refuse = (found: string) =>
    badRequest(`${kind} cannot be handled: metadata.${field} must map texts to texts, found ${found}`);
  if (!isJsonObject(value)) throw refuse(Array.isArray(value) ? "an array" : typeof value);
  const entries = Object.entries(value).map(([key, item]): [string, string] => {
    if (item !== null && typeof item !== "string") throw refuse(`${typeof item} for ${JSON.stringify(key)}`);
    return [key, item ?? ""];
  });
  return Object.fromEntries(entries);
}

export function openCodec(kind: string, apiVersion: string): Codec {
  return {
    decode(body: JsonObject) {
      const copy = copyJson(body);
      const given = copy["metadata"];
      if (given !== undefined && given !== null && !isJsonObject(given)) {
        throw badRequest(`${kind} cannot be handled: metadata must be an object`);
      }
      const unknown: string[] = [];
      const metadata: JsonObject = {};
      for (const [key, value] of Object.entries(given ?? {})) {
        if (!OBJECT_META_FIELDS.has(key)) unknown.push(`metadata.${key}`);
        else if (value !== null && !(DROPPED_WHEN_EMPTY.has(key) && isEmpty(value)))
          metadata[key] = TEXT_MAPS.has(key) ? textMap(kind, key, value) : value;
      }
      return { object: { ...copy, kind, apiVersion, metadata } as KubeObject, unknown };
    },
    applyDefaults() {},
    validate: () => ({ causes: [], warnings: [] }),
  };
}
