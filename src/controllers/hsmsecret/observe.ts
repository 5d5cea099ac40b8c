/** Gathers the facts of one HSMSecret. What cannot be looked at is never taken for absent. */

import type { HsmSecretSpec } from "../../crd/hsmsecret.ts";
import type { HsmSecretStatus } from "../../crd/hsmsecret-status.ts";
import type { KubeClient } from "../../kube/client.ts";
import { SECRETS } from "../../kube/resources.ts";
import type { Location, SecretStore } from "../../pool/store.ts";
import type { Facts, TokenFacts } from "./facts.ts";
import type { PathUseDecision } from "./policy.ts";
import { type HsmSecretObject, ownerFacts, secretFacts } from "./resource.ts";
import type { Rivals } from "./rivals.ts";

export interface ObserveOptions {
  readonly client: KubeClient;
  readonly store: SecretStore;
  readonly rivals: Rivals;
}

export interface Subject {
  readonly object: HsmSecretObject;
  readonly spec: HsmSecretSpec;
  readonly status: HsmSecretStatus;
  readonly path: string;
  readonly secretName: string;
  readonly use: PathUseDecision;
}

const NOT_LOOKED: TokenFacts = {
  state: "failed",
  errorClass: "Unsupported",
  message: "The path may not be used, so the token was not looked at.",
};

export async function observe(
  subject: Subject,
  options: ObserveOptions,
  now: number,
  signal: AbortSignal,
): Promise<Facts> {
  const { object, spec, status, path, secretName, use } = subject;
  const owner = ownerFacts(object);
  const rivals = options.rivals.of(object);
  const location = locationOf(subject);
  // Tenancy: a path that this namespace may not use is not even looked at.
  const looks = use.allowed && (rivals.path === undefined || spec.direction === "HSMToSecret");
  const [secret, token] = await Promise.all([
    options.client.find(SECRETS, { namespace: owner.namespace, name: secretName }, { signal }),
    looks ? options.store.observe(location, signal) : NOT_LOOKED,
  ]);
  return {
    owner,
    spec,
    status,
    path,
    secret: secretFacts(secret, (keys) => options.store.checksum(keys)),
    token,
    pathAllowed: use.allowed,
    rivals,
    now,
  };
}

export function locationOf(subject: Pick<Subject, "path" | "use">): Location {
  const { path, use } = subject;
  return use.device === undefined ? { path } : { path, device: use.device };
}

/** Reads the value that a plan asked for. The read is what counts from then on, not the listing before it. */
export async function readValue(
  facts: Facts,
  location: Location,
  store: SecretStore,
  generation: number | undefined,
  signal: AbortSignal,
): Promise<Facts> {
  if (generation !== undefined) {
    const read = await store.read({ ...location, generation }, signal);
    return { ...facts, earlier: { generation, read } };
  }
  const read = await store.read(location, signal);
  if (read.state !== "present") return { ...facts, token: read, looked: true };
  const { kind, pool, record, digest, checksum } = read;
  return {
    ...facts,
    looked: true,
    token: {
      state: "present",
      kind,
      pool,
      generation: record.generation,
      digest,
      deleted: record.deleted,
      conflict: read.conflicts.length > 0,
      value: { keys: record.keys, checksum, meta: record.meta, dot: record.dot, clock: record.clock },
    },
  };
}
