/** HSMSecret as it travels, and as facts. */

import type { HsmSecretStatus } from "../../crd/hsmsecret-status.ts";
import { GROUP, VERSION } from "../../crd/names.ts";
import type { KubeObject, Resource } from "../../kube/object.ts";
import type { Secret } from "../../kube/resources.ts";
import type { SecretKey } from "../../pool/store.ts";
import type { OwnerFacts, SecretFacts } from "./facts.ts";
import { inByteOrder } from "./views.ts";

/** The spec is looked at through src/crd/parse.ts only. */
export interface HsmSecretObject extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>> | undefined;
  readonly status?: HsmSecretStatus | undefined;
}

export const HSM_SECRETS: Resource<HsmSecretObject> = {
  group: GROUP,
  version: VERSION,
  plural: "hsmsecrets",
  kind: "HSMSecret",
  namespaced: true,
};

export function ownerFacts(object: HsmSecretObject): OwnerFacts {
  const { metadata } = object;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
    finalizers: metadata.finalizers ?? [],
    annotations: metadata.annotations ?? {},
  };
}

export function secretFacts(
  secret: Secret | undefined,
  checksum: (keys: readonly SecretKey[]) => string,
): SecretFacts {
  if (secret === undefined) return { state: "absent" };
  const { metadata } = secret;
  const keys = inByteOrder(
    Object.entries(secret.data ?? {}).map(([name, value]) => [name, Buffer.from(value, "base64")] as const),
  );
  return {
    state: "present",
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    type: secret.type ?? "Opaque",
    deleting: metadata.deletionTimestamp !== undefined,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    ownerReferences: metadata.ownerReferences ?? [],
    keys,
    checksum: checksum(keys),
  };
}

/** `data` of a Secret. Without a prototype, as `__proto__` is a lawful key. */
export function secretData(keys: readonly SecretKey[]): Readonly<Record<string, string>> {
  const data: Record<string, string> = Object.create(null);
  for (const [name, bytes] of keys) data[name] = Buffer.from(bytes).toString("base64");
  return data;
}

/** `data` of a merge patch: names that shall go are `null`. */
export function secretDataPatch(
  keys: readonly SecretKey[],
  removed: readonly string[],
): Readonly<Record<string, string | null>> {
  const data: Record<string, string | null> = Object.create(null);
  for (const name of removed) data[name] = null;
  return Object.assign(data, secretData(keys));
}
