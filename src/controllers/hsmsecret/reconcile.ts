/**
 * Reconciles one HSMSecret: observes, plans, acts, and plans again with what came of it until a plan rests; then
 * writes the status where it changed. A look that finds nothing to do makes no call to the API server at all.
 *
 * The caches decide only that nothing is to be done. Whatever leads to a write is read live first: a Secret from a
 * cache that lags behind would carry yesterday's data to the token.
 */

import { parseHsmSecret, pathOf } from "../../crd/parse.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { Clock, Random } from "../../kube/clock.ts";
import type { ReconcileResult } from "../../kube/controller.ts";
import { isAlreadyExists, isConflict, isNotFound, KubeError } from "../../kube/error.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { type KubeObject, keyOf, refOf } from "../../kube/object.ts";
import { writeStatus } from "../../kube/status.ts";
import type { SecretStore } from "../../pool/store.ts";
import { execute } from "./execute.ts";
import type { Checksums, Plan } from "./facts.ts";
import { isSettled } from "./fast-path.ts";
import { locationOf, observe, readValue, type Subject } from "./observe.ts";
import { plan, planFailed, planRefused } from "./plan.ts";
import { type DevicePolicy, decidePathUse } from "./policy.ts";
import { HSM_SECRETS, type HsmSecretObject, ownerFacts } from "./resource.ts";
import type { Rivals } from "./rivals.ts";
import { type ErrorVerdict, fail } from "./verdict.ts";

export interface HsmSecretReconcilerOptions {
  readonly client: KubeClient;
  readonly store: SecretStore;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly random: Random;
  readonly rivals: Rivals;
  /** Policies of the HSMDevices; a new list after each change. */
  readonly devices: () => readonly DevicePolicy[];
  /** What caches hold, by `namespace/name`; `undefined` when they do not know. */
  readonly cached: {
    hsmSecret(key: string): HsmSecretObject | undefined;
    /** Metadata is enough. */
    secret(key: string): KubeObject | undefined;
  };
  /** Our own writes, for the caches. */
  readonly onWritten: (object: KubeObject, gone: boolean) => void;
  /** The name of this instance, for spec.parentRef. */
  readonly instance?: string | undefined;
}

/** Something failed that trying again may mend; the status says it. The queue backs off. */
export class SyncError extends Error {
  override readonly name = "SyncError";
  readonly code = "SYNC_FAILED";
}

/** A plan leads to at most this many others: finalizer, loser, winner, Secret, marks, and reads between them. */
const MOST_PLANS = 24;
const JITTER = 0.2;

export type HsmSecretReconciler = (key: string, signal: AbortSignal) => Promise<ReconcileResult | undefined>;

export function createHsmSecretReconciler(options: HsmSecretReconcilerOptions): HsmSecretReconciler {
  const { store } = options;
  const checksums: Checksums = {
    of: (keys) => store.checksum(keys),
    knows: (checksum) => store.knowsChecksum(checksum),
  };

  return async (key, signal) => {
    const cached = options.cached.hsmSecret(key);
    if (cached !== undefined && (await nothingToDo(cached, signal))) return lookLater(cached);
    const object = await options.client.find(HSM_SECRETS, refOf(key), { signal });
    if (object === undefined || isOthers(object)) return undefined;
    try {
      return await sync(object, signal);
    } catch (error) {
      // The HSMSecret or its namespace went away meanwhile: nothing is left to report on.
      if (isNotFound(error)) return { requeueAfter: 1_000 };
      throw error;
    }
  };

  async function nothingToDo(object: HsmSecretObject, signal: AbortSignal): Promise<boolean> {
    if (isOthers(object)) return true;
    const subject = subjectOf(object);
    if ("refusal" in subject || !subject.use.allowed) return false;
    const { namespace } = object.metadata;
    const secret = options.cached.secret(`${namespace}/${subject.secretName}`);
    const rivals = options.rivals.of(object);
    if (!isSettled(subject, secret, rivals, checksums)) return false;
    const token = await store.observe(locationOf(subject), signal);
    const base = subject.status.base;
    return (
      token.state === "present" &&
      token.kind === "record" &&
      !token.conflict &&
      !token.deleted &&
      token.pool === base?.pool &&
      token.generation === base.generation &&
      token.digest === base.digest
    );
  }

  /** spec.parentRef names another instance of the operator. */
  function isOthers(object: HsmSecretObject): boolean {
    const parsed = parseHsmSecret(object);
    const parent = parsed.ok ? parsed.value.spec.parentRef : undefined;
    return parent !== undefined && options.instance !== undefined && parent.name !== options.instance;
  }

  function subjectOf(object: HsmSecretObject): Subject | { readonly refusal: Plan } {
    const { namespace = "", name } = object.metadata;
    const parsed = parseHsmSecret(object);
    const refuse = (reason: "InvalidSpec" | "PathTooLong", message: string, secretName: string) => ({
      refusal: planRefused({
        owner: ownerFacts(object),
        status: object.status ?? {},
        secretName,
        reason,
        message,
        now: options.clock.now(),
      }),
    });
    if (!parsed.ok) return refuse("InvalidSpec", parsed.message, name);
    const { spec, status } = parsed.value;
    const secretName = spec.secretName ?? name;
    const path = pathOf(spec, namespace, name);
    if (!path.ok) return refuse("PathTooLong", path.message, secretName);
    const use = decidePathUse(
      { namespace, path: path.value, device: spec.deviceRef?.name },
      options.devices(),
    );
    return { object, spec, status, path: path.value, secretName, use };
  }

  async function sync(
    seen: HsmSecretObject,
    signal: AbortSignal,
    again = true,
  ): Promise<ReconcileResult | undefined> {
    const subject = subjectOf(seen);
    if ("refusal" in subject) {
      await conclude(seen, subject.refusal, signal);
      return undefined;
    }
    const location = locationOf(subject);
    const looking = { client: options.client, store, rivals: options.rivals };
    let facts = await observe(subject, looking, options.clock.now(), signal);
    let object = seen;
    for (let round = 0; round < MOST_PLANS; round += 1) {
      const next = plan(facts, checksums);
      if (next.kind === "rest") return finish(object, subject, next, signal);
      if (next.kind === "read") {
        facts = await readValue(facts, location, store, next.generation, signal);
        continue;
      }
      for (const action of next.actions) {
        const target = { object, facts, location, secretName: subject.secretName };
        const result = await attempt(() => execute(action, target, { ...options, store }, signal));
        if (result.kind === "gone") {
          tell(object, next);
          return undefined;
        }
        if (result.kind === "failed") {
          return finish(object, subject, planFailed(facts, checksums, result.failure), signal);
        }
        if (result.kind === "stale") {
          // Somebody wrote between our look and our write. Once more with fresh eyes; after that the queue waits.
          if (!again) throw new SyncError("The token or the Secret changed while it was being synced.");
          const live = await options.client.get(HSM_SECRETS, refOf(keyOf(seen)), { signal });
          return sync(live, signal, false);
        }
        ({ object, facts } = result);
      }
      tell(object, next);
    }
    throw new SyncError("The plans for this HSMSecret do not come to rest.");
  }

  async function attempt(run: () => ReturnType<typeof execute>): ReturnType<typeof execute> {
    try {
      return await run();
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error) || isImmutableUid(error)) return { kind: "stale" };
      const failure = refusedByServer(error);
      if (failure === undefined) throw error;
      return { kind: "failed", failure };
    }
  }

  async function finish(
    object: HsmSecretObject,
    subject: Subject,
    rest: Plan,
    signal: AbortSignal,
  ): Promise<ReconcileResult | undefined> {
    await conclude(object, rest, signal);
    if (rest.kind !== "rest" || rest.requeue === "never") return undefined;
    if (rest.requeue === "backoff") {
      throw new SyncError(rest.status?.lastError ?? "The token could not be used.");
    }
    return { requeueAfter: interval(subject.spec.syncInterval) };
  }

  /**
   * Status first, then the annotations that were acted upon: a crash between them leaves an annotation whose wish
   * is fulfilled already, which the next plan recognises and takes off.
   */
  async function conclude(object: HsmSecretObject, rest: Plan, signal: AbortSignal): Promise<void> {
    if (rest.kind !== "rest") return;
    let current = object;
    if (rest.status !== undefined) {
      const written = await writeStatus(options.client, HSM_SECRETS, object, rest.status, {
        signal,
      });
      if (written !== object) options.onWritten(written, false);
      current = written;
    }
    tell(current, rest);
    if (Object.keys(rest.annotations).length === 0) return;
    const { uid, resourceVersion } = current.metadata;
    const body = { metadata: { uid, resourceVersion, annotations: rest.annotations } };
    const { namespace, name } = current.metadata;
    const patched = await options.client.patch(
      HSM_SECRETS,
      { namespace, name },
      { type: "merge", body },
      { signal },
    );
    options.onWritten(patched, false);
  }

  function tell(object: HsmSecretObject, told: Plan): void {
    if (told.kind === "read") return;
    for (const event of told.events) options.events.record({ ...event, regarding: object });
  }

  function lookLater(object: HsmSecretObject): ReconcileResult | undefined {
    const parsed = parseHsmSecret(object);
    if (!parsed.ok || isOthers(object)) return undefined;
    return { requeueAfter: interval(parsed.value.spec.syncInterval) };
  }

  /** Spread, so that objects made together are not looked at together for ever. Never longer than was asked for. */
  function interval(seconds: number): number {
    return seconds * 1_000 * (1 - JITTER * options.random());
  }
}

/** A patch under the UID of an object that was replaced is refused as a change of the UID. */
function isImmutableUid(error: unknown): boolean {
  return (
    error instanceof KubeError &&
    error.status === 422 &&
    (error.body?.details?.causes ?? []).some((cause) => cause.field === "metadata.uid")
  );
}

/** The server refuses what the Secret would become; nothing changes until somebody changes something. */
function refusedByServer(error: unknown): ErrorVerdict | undefined {
  if (!(error instanceof KubeError)) return undefined;
  if (error.status === 413) return fail("TooLarge", "The data is larger than the API server takes.");
  if (error.status === 422)
    return fail("WriteFailed", "The API server refuses the Secret: see its type and its keys.");
  if (error.status === 403)
    return fail("WriteFailed", "The API server does not let the operator write the Secret.", true);
  return undefined;
}
