/** The HSMPool controller: what it watches, and which pools a change concerns. */

import type { KubeClient } from "../../kube/client.ts";
import { type Clock, type Random, systemClock } from "../../kube/clock.ts";
import { type Controller, createController, type ReconcileOutcome } from "../../kube/controller.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { createInformer, type Informer, storeSource } from "../../kube/informer.ts";
import { type KubeObject, keyOf } from "../../kube/object.ts";
import { PRIORITY } from "../../kube/queue.ts";
import type { ReflectorEvent } from "../../kube/reflector.ts";
import { DAEMON_SETS, NODES, PODS, type Pod } from "../../kube/resources.ts";
import { equal } from "../../kube/status.ts";
import type { StoreChange } from "../../kube/store.ts";
import { type Logger, silentLogger } from "../../telemetry/log.ts";
import { HSM_DEVICES, type HsmDeviceObject } from "../hsmdevice/resource.ts";
import { createHsmPoolReconciler } from "./reconcile.ts";
import { deviceNameOf, HSM_POOLS, type HsmPoolObject, podFacts } from "./resource.ts";
import { createTelling } from "./telling.ts";

export interface HsmPoolControllerOptions {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  /** HSMDevices, pools and discovery pods count here only. */
  readonly operatorNamespace: string;
  /** Name of the discovery DaemonSet. */
  readonly daemonSet: string;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
  readonly onReconciled?: ((outcome: ReconcileOutcome) => void) | undefined;
  /** Once everything has been listed and the worker starts. */
  readonly onReady?: (() => void) | undefined;
}

export interface HsmPoolController {
  /** Until the signal aborts and every reconcile is through. */
  run(signal: AbortSignal): Promise<void>;
  readonly queue: Controller["queue"];
}

export function createHsmPoolController(options: HsmPoolControllerOptions): HsmPoolController {
  const { client, operatorNamespace, events } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const logger = options.logger ?? silentLogger;
  let observingSince = Number.POSITIVE_INFINITY;
  const troubled = new Set<string>();
  const onEvent = (event: ReflectorEvent, { plural }: { readonly plural: string }): void => {
    if (event.kind === "listed") troubled.delete(plural);
    if (event.kind !== "listFailed" && event.kind !== "watchRefused" && event.kind !== "watchBroken") return;
    // What happened meanwhile was not seen: nobody is called silent for a time when nobody listened.
    if (plural === PODS.plural) observingSince = clock.now();
    if (troubled.has(plural)) return;
    troubled.add(plural);
    logger.warn(
      "a watch for pools failed and is tried again",
      { resource: plural, kind: event.kind },
      event.error,
    );
  };
  const watching = { client, clock, random, onEvent };
  const namespaces = [operatorNamespace];
  const hsmDevices = createInformer<HsmDeviceObject>({ ...watching, resource: HSM_DEVICES, namespaces });
  const hsmPools = createInformer<HsmPoolObject>({ ...watching, resource: HSM_POOLS, namespaces });
  const pods = createInformer<Pod>({ ...watching, resource: PODS, namespaces });
  const nodes = createInformer({ ...watching, resource: NODES, metadataOnly: true });
  const daemonSets = createInformer({
    ...watching,
    resource: DAEMON_SETS,
    namespaces,
    fieldSelector: `metadata.name=${options.daemonSet}`,
    metadataOnly: true,
  });
  const keyIn = (name: string) => keyOf({ namespace: operatorNamespace, name });
  const telling = createTelling(events, (name) => pods.store.get(keyIn(name)));

  const reconcile = createHsmPoolReconciler({
    client,
    clock,
    telling,
    cached: {
      hsmDevice: (key) => hsmDevices.store.get(key),
      hsmPool: (key) => hsmPools.store.get(key),
      pods: () => pods.store.list(),
      nodes: () =>
        nodes.store.list().map(({ metadata }) => ({ name: metadata.name, labels: metadata.labels ?? {} })),
      daemonSetUid: () => daemonSets.store.get(keyIn(options.daemonSet))?.metadata.uid,
    },
    observingSince: () => observingSince,
    onWritten: (pool) => hsmPools.store.observeWrite(pool),
  });
  const all = () =>
    hsmDevices.store.list().map((device) => ({ key: keyOf(device), priority: PRIORITY.change }));

  const controller = createController({
    name: "hsmpool",
    // Each looks at all pods: two at a time would only wait for each other.
    workers: 1,
    sources: [
      storeSource(hsmDevices.store, (change) => [keyOf(change.object)]),
      storeSource(hsmPools.store, ({ object }) => {
        const name = deviceNameOf(object.metadata.name);
        return name === undefined ? [] : [keyIn(name)];
      }),
      storeSource(pods.store, (change) => {
        if (change.type === "deleted") telling.forgetPod(change.object.metadata.uid);
        return concernsPools(change) ? all() : [];
      }),
      storeSource(nodes.store, (change) => (sameLabels(change) ? [] : all())),
      storeSource(daemonSets.store, (change) => (change.type === "updated" ? [] : all())),
    ],
    reconcile,
    clock,
    random,
    logger,
    onReconciled: options.onReconciled,
  });
  const informers: readonly Pick<Informer<KubeObject>, "run" | "store">[] = [
    hsmDevices,
    hsmPools,
    pods,
    nodes,
    daemonSets,
  ];

  return {
    queue: controller.queue,
    async run(signal) {
      const watches = Promise.all(informers.map((informer) => informer.run(signal)));
      try {
        // A pool judged by half a list of pods would lose devices.
        await Promise.all(informers.map((informer) => informer.store.waitForSync(signal)));
      } catch (error) {
        await watches;
        if (signal.aborted) return;
        throw error;
      }
      observingSince = clock.now();
      options.onReady?.();
      await Promise.all([watches, controller.run(signal)]);
    },
  };
}

/** Most changes of most pods say nothing about devices. */
function concernsPools(change: StoreChange<Pod>): boolean {
  const now = podFacts(change.object);
  if (change.type !== "updated") return now.controllerUid !== undefined || now.reports !== undefined;
  const before = podFacts(change.old);
  // Equal text is parsed to equal reports; a heartbeat moves the times, and with them the deadline.
  return !equal(before, now);
}

function sameLabels(change: StoreChange<KubeObject>): boolean {
  return (
    change.type === "updated" && equal(change.old.metadata.labels ?? {}, change.object.metadata.labels ?? {})
  );
}
