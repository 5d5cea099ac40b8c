import { isJsonObject } from "../object.ts";
import type { Schema } from "./schema.ts";

/**
 * Whether Go's encoder leaves a field out: it was `omitempty` and not a pointer. OpenAPI does not say which fields are
 * pointers, so those whose zero value is kept (or dropped) against the rule of their type are named here.
 */
export function isDroppedWhenZero(key: string, value: unknown, field: Schema, owner: Schema): boolean {
  if (owner.required?.includes(key)) return false;
  if (Array.isArray(value)) return value.length === 0;
  if (isJsonObject(value)) {
    return (
      field.properties === undefined &&
      field.additionalProperties !== undefined &&
      Object.keys(value).length === 0
    );
  }
  if (value === "") return !TEXT_POINTERS.has(key);
  if (value === false) return PLAIN_BOOLEANS.has(key);
  if (value === 0) return PLAIN_NUMBERS.has(key);
  return false;
}

const TEXT_POINTERS = new Set([
  "appProtocol",
  "holderIdentity",
  "ingressClassName",
  "runtimeClassName",
  "service",
  "storageClassName",
  "volumeAttributesClassName",
]);

const PLAIN_BOOLEANS = new Set([
  "exclusiveMaximum",
  "exclusiveMinimum",
  "hostIPC",
  "hostNetwork",
  "hostPID",
  "nullable",
  "paused",
  "publishNotReadyAddresses",
  "readOnly",
  "stdin",
  "stdinOnce",
  "tty",
  "unschedulable",
  "uniqueItems",
  "x-kubernetes-embedded-resource",
  "x-kubernetes-int-or-string",
]);

const PLAIN_NUMBERS = new Set([
  "availableReplicas",
  "count",
  "failureThreshold",
  "fullyLabeledReplicas",
  "generation",
  "hostPort",
  "initialDelaySeconds",
  "minReadySeconds",
  "nodePort",
  "numberAvailable",
  "numberUnavailable",
  "observedGeneration",
  "periodSeconds",
  "readyReplicas",
  "signal",
  "successThreshold",
  "timeoutSeconds",
  "unavailableReplicas",
  "updatedNumberScheduled",
  "updatedReplicas",
]);
