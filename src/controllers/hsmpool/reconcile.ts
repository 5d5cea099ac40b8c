/** Brings the HSMPool of one HSMDevice up to date: looks, decides by pure functions, writes what differs. */

import type { HsmDeviceSpec } from "../../crd/hsmdevice.ts";
import { durationOf, parseHsmDevice, parseHsmPool } from "../../crd/parse.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { Clock } from "../../kube/clock.ts";
import type { Reconcile } from "../../kube/controller.ts";
import { keyOf } from "../../kube/object.ts";
import type { Pod } from "../../kube/resources.ts";
import { writeStatus } from "../../kube/status.ts";
import type { HsmDeviceObject } from "../hsmdevice/resource.ts";
import { type Aggregation, aggregate, refused } from "./aggregate.ts";
import type { NodeFacts } from "./facts.ts";
import { type PoolPlan, planPool } from "./plan.ts";
import { HSM_POOLS, type HsmPoolObject, podFacts, poolNameOf } from "./resource.ts";
import type { Telling } from "./telling.ts";

export interface HsmPoolReconcilerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly telling: Telling;
  readonly cached: {
    hsmDevice(key: string): HsmDeviceObject | undefined;
    hsmPool(key: string): HsmPoolObject | undefined;
    /** All of the operator's namespace. */
    pods(): readonly Pod[];
    nodes(): readonly NodeFacts[];
    daemonSetUid(): string | undefined;
  };
  /** Since when the pods have been seen without a break, milliseconds since 1970. */
  readonly observingSince: () => number;
  readonly onWritten: (pool: HsmPoolObject) => void;
}

const DEFAULT_GRACE = "5m";

/** Keys are those of HSMDevices. */
export function createHsmPoolReconciler(options: HsmPoolReconcilerOptions): Reconcile {
  const { client, cached, clock } = options;
  /** By the UID of the device: which nodes are silent, and since when. */
  const silent = new Map<string, { readonly uid: string; readonly since: Aggregation["silentSince"] }>();

  return async (key, signal) => {
    const device = cached.hsmDevice(key);
    if (device === undefined || device.metadata.deletionTimestamp !== undefined) {
      // The garbage collector takes the pool, by its owner reference.
      silent.delete(key);
      return undefined;
    }
    const parsed = parseHsmDevice(device);
    const spec = parsed.ok ? parsed.value.spec : undefined;
    const pool = await ensurePool(device, spec, signal);
    if (pool === undefined) return undefined;
    const now = clock.now();
    const prior = pool.status ?? {};
    const generation = pool.metadata.generation ?? 0;
    if (!parsed.ok) {
      await write(pool, refused(prior, parsed.message, generation, now), signal);
      return undefined;
    }
    const known = silent.get(key);
    const result = aggregate({
      hsmDevice: device.metadata.name,
      nodeSelector: parsed.value.spec.nodeSelector,
      gracePeriod: gracePeriodOf(pool),
      daemonSetUid: cached.daemonSetUid(),
      pods: cached.pods().map(podFacts),
      nodes: cached.nodes(),
      prior,
      generation,
      silentSince: known?.uid === device.metadata.uid ? known.since : new Map(),
      observingSince: options.observingSince(),
      now,
    });
    silent.set(key, { uid: device.metadata.uid, since: result.silentSince });
    options.telling.refusals(result.refusals);
    options.telling.onTwoNodes(pool, result.onTwoNodes);
    await write(pool, result.status, signal);
    return result.deadline === undefined ? undefined : { requeueAfter: result.deadline - now };
  };

  async function ensurePool(
    device: HsmDeviceObject,
    spec: HsmDeviceSpec | undefined,
    signal: AbortSignal,
  ): Promise<HsmPoolObject | undefined> {
    const { namespace = "", name } = device.metadata;
    const ref = { namespace, name: poolNameOf(name) };
    const seen = cached.hsmPool(keyOf(ref));
    const plan = planPool(device, spec, seen);
    const changed = await act(plan, ref, seen, signal);
    if (changed !== undefined) {
      options.onWritten(changed);
      return changed;
    }
    options.telling.poolRefused(device, plan.kind === "refuse" ? plan : undefined);
    return plan.kind === "keep" ? seen : undefined;
  }

  /** The pool as it is after a write; `undefined` when there was none to make. */
  async function act(
    plan: PoolPlan,
    ref: { readonly namespace: string; readonly name: string },
    seen: HsmPoolObject | undefined,
    signal: AbortSignal,
  ): Promise<HsmPoolObject | undefined> {
    if (plan.kind === "create") return client.create(HSM_POOLS, plan.object, { signal });
    if (plan.kind !== "patch" || seen === undefined) return undefined;
    const { uid, resourceVersion } = seen.metadata;
    const { metadata, ...rest } = plan.body;
    const body = { ...rest, metadata: { ...(metadata as object | undefined), uid, resourceVersion } };
    return client.patch(HSM_POOLS, ref, { type: "merge", body }, { signal });
  }

  async function write(
    pool: HsmPoolObject,
    status: HsmPoolObject["status"],
    signal: AbortSignal,
  ): Promise<void> {
    const written = await writeStatus(client, HSM_POOLS, pool, status, { signal });
    if (written !== pool) options.onWritten(written);
  }
}

/** A pool whose spec cannot be read has the default. */
function gracePeriodOf(pool: HsmPoolObject): number {
  const parsed = parseHsmPool({ spec: pool.spec ?? {} });
  return durationOf(parsed.ok ? parsed.value.spec.gracePeriod : DEFAULT_GRACE);
}
