/** HSMDevice as discovery sees it. */

import { GROUP, VERSION } from "../crd/names.ts";
import type { KubeObject, Resource } from "../kube/object.ts";

/** The spec is looked at through src/crd/parse.ts only. */
export interface HsmDeviceObject extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>> | undefined;
}

export const HSM_DEVICES: Resource<HsmDeviceObject> = {
  group: GROUP,
  version: VERSION,
  plural: "hsmdevices",
  kind: "HSMDevice",
  namespaced: true,
};
