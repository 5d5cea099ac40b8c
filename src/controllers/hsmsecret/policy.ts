/** Which device serves a path for a namespace: the path policy of each HSMDevice. Pure. */

import { type AllowedPath, mayUse } from "../../path/policy.ts";

export interface DevicePolicy {
  /** The HSMDevice's name. */
  readonly name: string;
  /** Its own policy; the default one when absent. */
  readonly allowedPaths?: readonly AllowedPath[] | undefined;
}

export interface PathUseDecision {
  readonly allowed: boolean;
  /** The device to use; absent where none is known by name. */
  readonly device?: string | undefined;
}

/**
 * With a device named, its policy decides; without, the first (by name) that grants the path. Where no device is
 * known the default policy holds: the path is lawful, and the store says that nobody serves it.
 */
export function decidePathUse(
  use: { readonly namespace: string; readonly path: string; readonly device?: string | undefined },
  devices: readonly DevicePolicy[],
): PathUseDecision {
  const { namespace, path } = use;
  if (use.device !== undefined) {
    const named = devices.find((device) => device.name === use.device);
    return { allowed: mayUse({ namespace, path, allowedPaths: named?.allowedPaths }), device: use.device };
  }
  if (devices.length === 0) return { allowed: mayUse({ namespace, path }) };
  const granting = devices
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .find(({ allowedPaths }) => mayUse({ namespace, path, allowedPaths }));
  return granting === undefined ? { allowed: false } : { allowed: true, device: granting.name };
}
