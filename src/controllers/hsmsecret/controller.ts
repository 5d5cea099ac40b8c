/** The HSMSecret controller: what wakes it, what it caches, and the reconciler behind it. */

import { parseHsmDevice, parseHsmSecret, pathOf } from "../../crd/parse.ts";
import type { KubeClient } from "../../kube/client.ts";
import { type Clock, type Random, systemClock } from "../../kube/clock.ts";
import {
  type Controller,
  createController,
  type ReconcileOutcome,
  type Source,
} from "../../kube/controller.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { createInformer, type Informer, storeSource } from "../../kube/informer.ts";
import { type KubeObject, keyOf } from "../../kube/object.ts";
import { PRIORITY } from "../../kube/queue.ts";
import type { ReflectorEvent } from "../../kube/reflector.ts";
import { SECRETS, type Secret } from "../../kube/resources.ts";
import type { StoreChange } from "../../kube/store.ts";
import { mayUse } from "../../path/policy.ts";
import type { SecretStore } from "../../pool/store.ts";
import type { Logger } from "../../telemetry/log.ts";
import { HSM_DEVICES, type HsmDeviceObject } from "../hsmdevice/resource.ts";
import { type DevicePolicy, decidePathUse } from "./policy.ts";
import { createHsmSecretReconciler } from "./reconcile.ts";
import { HSM_SECRETS, type HsmSecretObject } from "./resource.ts";
import { BY_PATH, BY_SECRET, competitors, hsmSecretIndexes, rivalsFrom } from "./rivals.ts";

export interface HsmSecretControllerOptions {
  readonly client: KubeClient;
  readonly store: SecretStore;
  readonly events: EventRecorder;
  /** Where HSMDevices count. */
  readonly operatorNamespace: string;
  /** Names of the devices that the store serves. */
  readonly devices: readonly string[];
  /** Namespaces to watch; all of them when absent. */
  readonly namespaces?: readonly string[] | undefined;
  readonly workers: number;
  readonly instance?: string | undefined;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly onReconciled?: ((outcome: ReconcileOutcome) => void) | undefined;
  /** Once everything has been listed and the workers start. */
  readonly onReady?: (() => void) | undefined;
}

export interface HsmSecretController {
  /** Until the signal aborts and every reconcile is through. */
  run(signal: AbortSignal): Promise<void>;
  /** True once everything has been listed. */
  readonly ready: boolean;
  readonly queue: Controller["queue"];
}

export function createHsmSecretController(options: HsmSecretControllerOptions): HsmSecretController {
  const { client, store, namespaces, logger } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const onEvent = (event: ReflectorEvent, resource: { readonly plural: string }) => {
    const { kind } = event;
    if (kind !== "listFailed" && kind !== "watchRefused" && kind !== "watchBroken") return;
    logger.warn("a watch failed and is tried again", { resource: resource.plural, kind }, event.error);
  };
  const watching = { client, clock, random, onEvent };
  const hsmSecrets = createInformer<HsmSecretObject>({
    ...watching,
    resource: HSM_SECRETS,
    namespaces,
    indexes: hsmSecretIndexes,
  });
  // Metadata is enough to see that a Secret changed: values stay out of this process until they are needed.
  const secrets = createInformer<Secret>({ ...watching, resource: SECRETS, namespaces, metadataOnly: true });
  const hsmDevices = createInformer<HsmDeviceObject>({
    ...watching,
    resource: HSM_DEVICES,
    namespaces: [options.operatorNamespace],
  });
  const policies = () => devicePolicies(options.devices, hsmDevices);

  const reconcile = createHsmSecretReconciler({
    client,
    store,
    events: options.events,
    clock,
    random,
    instance: options.instance,
    devices: policies,
    rivals: rivalsFrom(hsmSecrets.store, (object) => mayUsePath(object, policies())),
    cached: {
      hsmSecret: (key) => hsmSecrets.store.get(key),
      secret: (key) => secrets.store.get(key),
    },
    onWritten: (object, gone) => {
      if (object.kind === "Secret") secrets.store.observeWrite(object);
      else if (gone) hsmSecrets.store.observeDelete(object as HsmSecretObject);
      else hsmSecrets.store.observeWrite(object as HsmSecretObject);
    },
  });

  const controller = createController({
    name: "hsmsecret",
    workers: options.workers,
    sources: [
      storeSource(hsmSecrets.store, (change) => [keyOf(change.object), ...neighbours(hsmSecrets, change)]),
      storeSource(secrets.store, (change) =>
        hsmSecrets.store
          .byIndex(BY_SECRET, keyOf(change.object))
          .map((object) => ({ key: keyOf(object), priority: PRIORITY.change })),
      ),
      storeSource(hsmDevices.store, () => hsmSecrets.store.list().map((object) => keyOf(object))),
      tokenSource(store, hsmSecrets),
    ],
    reconcile,
    clock,
    random,
    logger,
    onReconciled: options.onReconciled,
  });
  const informers: readonly Pick<Informer<KubeObject>, "run" | "store">[] = [hsmSecrets, secrets, hsmDevices];

  return {
    get ready() {
      return informers.every((informer) => informer.store.synced);
    },
    queue: controller.queue,
    async run(signal) {
      const watches = Promise.all(informers.map((informer) => informer.run(signal)));
      try {
        // Rivals and policies are judged by caches: none is judged before they are whole.
        await Promise.all(informers.map((informer) => informer.store.waitForSync(signal)));
      } catch (error) {
        await watches;
        if (signal.aborted) return;
        throw error;
      }
      options.onReady?.();
      await Promise.all([watches, controller.run(signal)]);
    },
  };
}

/** What changed on a token wakes whoever names that path; `null` wakes all. */
function tokenSource(store: SecretStore, hsmSecrets: Informer<HsmSecretObject>): Source {
  return {
    start: (enqueue) =>
      store.onChange((paths) => {
        const objects =
          paths === null
            ? hsmSecrets.store.list()
            : paths.flatMap((path) => hsmSecrets.store.byIndex(BY_PATH, path));
        const priority = paths === null ? PRIORITY.background : PRIORITY.change;
        for (const object of objects) enqueue(keyOf(object), { priority });
      }),
  };
}

/**
 * Who else wants to write the same path or Secret: which of them may is decided anew when one comes, goes or is
 * changed by a person. A change of the status alone decides nothing.
 */
function neighbours(
  hsmSecrets: Informer<HsmSecretObject>,
  change: StoreChange<HsmSecretObject>,
): readonly string[] {
  if (change.type === "updated" && change.old.metadata.generation === change.object.metadata.generation) {
    return [];
  }
  return competitors(hsmSecrets.store, change.object).map((object) => keyOf(object));
}

/** The policies of the devices that the store serves; all HSMDevices when it serves none by name. */
export function devicePolicies(
  served: readonly string[],
  hsmDevices: Pick<Informer<HsmDeviceObject>, "store">,
): readonly DevicePolicy[] {
  const objects = hsmDevices.store.list();
  const names = served.length > 0 ? served : objects.map((object) => object.metadata.name);
  return names.map((name) => {
    const object = objects.find((candidate) => candidate.metadata.name === name);
    if (object === undefined) return { name };
    const parsed = parseHsmDevice(object);
    // A device whose policy cannot be read grants nothing.
    return { name, allowedPaths: parsed.ok ? parsed.value.spec.allowedPaths : [] };
  });
}

function mayUsePath(object: HsmSecretObject, devices: readonly DevicePolicy[]): boolean {
  const parsed = parseHsmSecret(object);
  if (!parsed.ok) return false;
  const { namespace = "", name } = object.metadata;
  const path = pathOf(parsed.value.spec, namespace, name);
  if (!path.ok) return false;
  const device = parsed.value.spec.deviceRef?.name;
  return device === undefined && devices.length === 0
    ? mayUse({ namespace, path: path.value })
    : decidePathUse({ namespace, path: path.value, device }, devices).allowed;
}
