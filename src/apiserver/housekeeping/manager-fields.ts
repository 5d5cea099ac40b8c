/** managedFields of what the server's own controllers write. */

import type { JsonObject, ManagedFieldsEntry } from "../object.ts";

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
