/** managedFields of what the server's own controllers write. */

import type { JsonObject, KubeObject, ManagedFieldsEntry } from "../object.ts";
import type { Core } from "../verbs/core.ts";
import { track } from "../verbs/ownership.ts";

export const CONTROLLER_MANAGER = "kube-controller-manager";
export const API_SERVER = "kube-apiserver";

export function updateFields(
  manager: string,
  apiVersion: string,
  time: string,
  fieldsV1: JsonObject,
  subresource?: string,
): ManagedFieldsEntry[] {
  return [
    {
      manager,
      operation: "Update",
      apiVersion,
      time,
      fieldsType: "FieldsV1",
      fieldsV1,
      ...(subresource === undefined ? {} : { subresource }),
    },
  ];
}

/** `next` with the managedFields that it has when a controller writes it over `old`. */
export function writtenBy(
  core: Core,
  storage: string,
  manager: string,
  old: KubeObject,
  next: KubeObject,
  subresource = "",
): KubeObject {
  const definition = core.registry.stored(storage);
  if (definition === undefined) return next;
  const object: KubeObject = { ...next, metadata: { ...next.metadata } };
  const { namespace = "", name = "" } = object.metadata;
  track(core, { definition, namespace, name, subresource }, object, old, {
    user: { name: `system:${manager}`, groups: [] },
    options: { dryRun: false, fieldManager: manager, fieldValidation: "Ignore", force: false },
    warnings: [],
  });
  return object;
}
