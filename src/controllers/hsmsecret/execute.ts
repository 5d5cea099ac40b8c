/**
 * Carries out one action of a plan and says what is there now. Each action is one call, so a crash comes before it
 * or after it; what a crash leaves is told at each. In all cases the next reconcile plans from what it finds.
 */

import { FINALIZER } from "../../crd/names.ts";
import type { KubeClient, Patch } from "../../kube/client.ts";
import { addFinalizer, removeFinalizer } from "../../kube/finalizers.ts";
import type { KubeObject } from "../../kube/object.ts";
import { SECRETS, type Secret } from "../../kube/resources.ts";
import type { Location, SecretStore } from "../../pool/store.ts";
import type { Action, Facts, Marks, TokenFacts } from "./facts.ts";
import { failureOf } from "./failure.ts";
import {
  HSM_SECRETS,
  type HsmSecretObject,
  ownerFacts,
  secretData,
  secretDataPatch,
  secretFacts,
} from "./resource.ts";
import type { ErrorVerdict } from "./verdict.ts";

export interface ExecuteOptions {
  readonly client: KubeClient;
  readonly store: SecretStore;
  /** What the API server answered: caches learn of our own writes at once. */
  readonly onWritten: (object: KubeObject, gone: boolean) => void;
}

export interface Target {
  readonly object: HsmSecretObject;
  readonly facts: Facts;
  readonly location: Location;
  readonly secretName: string;
}

export type Executed =
  | { readonly kind: "done"; readonly object: HsmSecretObject; readonly facts: Facts }
  /** The HSMSecret is gone. */
  | { readonly kind: "gone" }
  /** The token held something else than the plan saw: look again. */
  | { readonly kind: "stale" }
  | { readonly kind: "failed"; readonly failure: ErrorVerdict };

/** Rejects with a KubeError; a `Conflict` means that the plan is out of date. */
export async function execute(
  action: Action,
  target: Target,
  options: ExecuteOptions,
  signal: AbortSignal,
): Promise<Executed> {
  switch (action.kind) {
    case "addFinalizer":
    case "removeFinalizer":
      return finalizer(action.kind, target, options, signal);
    case "createSecret":
    case "writeSecret":
    case "markSecret":
      return writeSecret(action, target, options, signal);
    case "deleteSecret":
      return deleteSecret(action, target, options, signal);
    case "writeToken":
      return writeToken(action, target, options, signal);
  }
}

/**
 * Adding: a crash after it leaves an HSMSecret with a finalizer and no data of ours anywhere. Removing comes last of
 * a deletion: a crash before it leaves an HSMSecret whose deletion is repeated and finds all done.
 */
async function finalizer(
  kind: "addFinalizer" | "removeFinalizer",
  target: Target,
  options: ExecuteOptions,
  signal: AbortSignal,
): Promise<Executed> {
  const edit = kind === "addFinalizer" ? addFinalizer : removeFinalizer;
  const object = await edit(options.client, HSM_SECRETS, target.object, FINALIZER, { signal });
  if (object === undefined) return { kind: "gone" };
  const leaves =
    object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0;
  options.onWritten(object, leaves);
  if (leaves) return { kind: "gone" };
  return { kind: "done", object, facts: { ...target.facts, owner: ownerFacts(object) } };
}

/**
 * The data and the base that repeats it go in one write. A crash after it leaves both sides equal and the status
 * with an older base: the next plan sees that they are equal and moves it.
 */
async function writeSecret(
  action: Extract<Action, { kind: "createSecret" | "writeSecret" | "markSecret" }>,
  target: Target,
  options: ExecuteOptions,
  signal: AbortSignal,
): Promise<Executed> {
  const { facts, secretName } = target;
  const ref = { namespace: facts.owner.namespace, name: secretName };
  const secret =
    action.kind === "createSecret"
      ? await options.client.create(SECRETS, newSecret(action, ref), { signal })
      : await options.client.patch(SECRETS, ref, patchOf(action), { signal });
  options.onWritten(secret, false);
  return {
    kind: "done",
    object: target.object,
    facts: { ...facts, secret: secretFacts(secret, (keys) => options.store.checksum(keys)) },
  };
}

function newSecret(
  action: Extract<Action, { kind: "createSecret" }>,
  ref: { readonly namespace: string; readonly name: string },
) {
  const { ownerReferences, labels, annotations } = action.marks;
  return {
    metadata: { ...ref, ownerReferences, labels: present(labels), annotations: present(annotations) },
    type: action.type,
    data: secretData(action.keys),
  };
}

/** A merge patch that names what goes, under the UID and version that the plan saw: an edit in between is a 409. */
function patchOf(action: Extract<Action, { kind: "writeSecret" | "markSecret" }>): Patch {
  const { seen, marks } = action;
  const data = action.kind === "writeSecret" ? { data: secretDataPatch(action.keys, action.removed) } : {};
  return { type: "merge", body: { metadata: { ...seen, ...marks }, ...data } };
}

function present(map: Marks["labels"]): Readonly<Record<string, string>> {
  const entries = Object.entries(map).filter((entry): entry is [string, string] => entry[1] !== null);
  return Object.fromEntries(entries);
}

/**
 * Planned only where the token holds the data, holds its deletion, or the person wanted both to go. A crash after it
 * leaves no Secret, which a plan takes for what was wanted.
 */
async function deleteSecret(
  action: Extract<Action, { kind: "deleteSecret" }>,
  target: Target,
  options: ExecuteOptions,
  signal: AbortSignal,
): Promise<Executed> {
  const { facts, secretName } = target;
  const ref = { namespace: facts.owner.namespace, name: secretName };
  const left = await options.client.delete(SECRETS, ref, { preconditions: action.seen, signal });
  if (left !== undefined) options.onWritten(left, false);
  const secret = secretFacts(left as Secret | undefined, (keys) => options.store.checksum(keys));
  return { kind: "done", object: target.object, facts: { ...facts, secret } };
}

/**
 * Over exactly what the plan saw on the token. A crash after it leaves the token at the Secret's data and the status
 * with an older base: both sides are equal, and the base moves. In the middle of it the token shows the old record
 * or the new one, whole (docs/token-layout.md).
 */
async function writeToken(
  action: Extract<Action, { kind: "writeToken" }>,
  target: Target,
  options: ExecuteOptions,
  signal: AbortSignal,
): Promise<Executed> {
  const { facts, location } = target;
  const outcome = await options.store.write(
    {
      ...location,
      keys: action.keys,
      meta: action.meta,
      expect: action.expect,
      writer: `manager/${facts.owner.namespace}/${facts.owner.name}`,
      historyLimit: facts.spec.historyLimit,
    },
    signal,
  );
  if (outcome.status === "conflict") return { kind: "stale" };
  if (outcome.status === "failed") {
    return { kind: "failed", failure: failureOf("write", outcome.errorClass, outcome.message) };
  }
  const token: TokenFacts = {
    state: "present",
    kind: "record",
    pool: outcome.pool,
    generation: outcome.generation,
    digest: outcome.digest,
    deleted: action.keys === null,
    conflict: false,
    value: {
      keys: action.keys ?? [],
      checksum: outcome.checksum,
      meta: action.meta,
      dot: outcome.dot,
      clock: "proven",
    },
  };
  return { kind: "done", object: target.object, facts: { ...facts, token } };
}
