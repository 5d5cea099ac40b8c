/** What the HSMPool of an HSMDevice shall be: made, taken back, corrected, or left to its owner. Pure. */

import type { HsmDeviceSpec } from "../../crd/hsmdevice.ts";
import { API_VERSION, MANAGED_LABELS } from "../../crd/names.ts";
import { type KubeObject, type OwnerReference, ownerReferenceTo } from "../../kube/object.ts";
import { mergePatch } from "../../kube/status.ts";
import { type HsmPoolObject, poolNameOf } from "./resource.ts";

/** Name limit of objects. */
const LONGEST_NAME = 253;

export type PoolPlan =
  | {
      readonly kind: "create";
      readonly object: Pick<HsmPoolObject, "spec"> & { readonly metadata: PoolMetadata };
    }
  | { readonly kind: "patch"; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: "keep" }
  /** It is being deleted: another is made when it is gone. */
  | { readonly kind: "wait" }
  | {
      readonly kind: "refuse";
      readonly reason: "PoolNameTooLong" | "PoolExists";
      readonly message: string;
    };

interface PoolMetadata {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly OwnerReference[];
}

export function planPool(
  device: KubeObject,
  spec: HsmDeviceSpec | undefined,
  pool: HsmPoolObject | undefined,
): PoolPlan {
  const { name, namespace = "" } = device.metadata;
  const poolName = poolNameOf(name);
  if (poolName.length > LONGEST_NAME) {
    const message = `The name of the HSMDevice is too long: its pool would be ${poolName.length} characters long, and ${LONGEST_NAME} are allowed.`;
    return { kind: "refuse", reason: "PoolNameTooLong", message };
  }
  const owner = ownerReferenceTo(device);
  if (pool === undefined) {
    return {
      kind: "create",
      object: {
        metadata: { namespace, name: poolName, labels: MANAGED_LABELS, ownerReferences: [owner] },
        spec: wantedSpec(name, spec),
      },
    };
  }
  if (pool.metadata.deletionTimestamp !== undefined) return { kind: "wait" };
  const owners = pool.metadata.ownerReferences ?? [];
  const controller = owners.find((reference) => reference.controller === true);
  if (controller !== undefined && !namesDevice(controller, name)) {
    const message = `The HSMPool ${poolName} belongs to the ${controller.kind} ${controller.name} and is left alone.`;
    return { kind: "refuse", reason: "PoolExists", message };
  }
  const body: Record<string, unknown> = {};
  if (controller?.uid !== owner.uid) {
    // A device deleted and made anew within milliseconds keeps its pool, and with it the pool's UID.
    const others = owners.filter((reference) => !namesDevice(reference, name));
    body["metadata"] = { ownerReferences: [...others, owner] };
  }
  const current = pool.spec ?? {};
  const change = mergePatch(current, { ...current, ...wantedSpec(name, spec) });
  if (change !== undefined) body["spec"] = change;
  return Object.keys(body).length === 0 ? { kind: "keep" } : { kind: "patch", body };
}

/** gracePeriod is for people to set. */
function wantedSpec(name: string, spec: HsmDeviceSpec | undefined): Readonly<Record<string, unknown>> {
  const mirroring = spec?.mirroring;
  if (mirroring === undefined) return { hsmDeviceRefs: [name] };
  return {
    hsmDeviceRefs: [name],
    mirroring: {
      enabled: mirroring.policy !== "None",
      ...(mirroring.primaryNode === undefined ? {} : { primaryRole: mirroring.primaryNode }),
    },
  };
}

function namesDevice(reference: OwnerReference, name: string): boolean {
  return reference.apiVersion === API_VERSION && reference.kind === "HSMDevice" && reference.name === name;
}
