/** Puts the manager together and runs it until its signal aborts. */

import { createHsmPoolController } from "../../controllers/hsmpool/controller.ts";
import { createHsmSecretController } from "../../controllers/hsmsecret/controller.ts";
import type { KubeClient } from "../../kube/client.ts";
import { systemClock } from "../../kube/clock.ts";
import { KubeError } from "../../kube/error.ts";
import { createEventRecorder } from "../../kube/events.ts";
import { createKubeClient } from "../../kube/http-client.ts";
import { findConnection, KubeconfigError } from "../../kube/kubeconfig.ts";
import { createLeaderElector } from "../../kube/leader.ts";
import { createPoolStore } from "../../pool/create.ts";
import type { Logger } from "../../telemetry/log.ts";
import { createMetrics, LATENCY_BUCKETS } from "../../telemetry/metrics.ts";
import { ChecksumKeyError, checksumKey } from "./checksum-key.ts";
import { openDevices } from "./devices.ts";
import { type ManagerOptions, UsageError } from "./options.ts";
import { type Listener, servePages } from "./serve.ts";

const FIELD_MANAGER = "hsm-secrets-operator";

/** Resolves when the signal has aborted and what was under way has ended. */
export async function runManager(options: ManagerOptions, log: Logger, signal: AbortSignal): Promise<void> {
  const mock = options.client === "mock";
  const closing: (() => Promise<void> | void)[] = [];
  const atEnd = (close: () => Promise<void> | void) => closing.unshift(close);
  try {
    const opened = await openDevices(options, log);
    atEnd(() => opened.close());
    let handedOver = false;
    atEnd(async () => {
      if (handedOver) return;
      await Promise.all(opened.devices.flatMap(({ agents }) => agents.map(({ client }) => client.close())));
    });
    const metrics = createMetrics({ processMetrics: true });
    const calls = metrics.histogram("device_call_seconds", "Calls on devices", {
      labels: ["device", "operation", "outcome"],
      buckets: LATENCY_BUCKETS,
    });
    const reconciles = metrics.histogram("reconcile_seconds", "Reconciles of HSMSecrets", {
      labels: ["result"],
      buckets: LATENCY_BUCKETS,
    });
    const poolReconciles = metrics.histogram("pool_reconcile_seconds", "Reconciles of HSMPools", {
      labels: ["result"],
      buckets: LATENCY_BUCKETS,
    });
    metrics.gauge("mock", "1 when there is no hardware behind this manager").set({}, mock ? 1 : 0);
    const client = await connect(options, log);
    atEnd(() => client.close());

    let ready = false;
    const listeners = await serve(options, metrics, () => ready);
    for (const listener of listeners) atEnd(() => listener.close());

    const key = await checksumKey(
      { client, namespace: options.namespace, devices: opened.devices, clock: systemClock, log },
      signal,
    );
    if (key === undefined) return;
    const store = createPoolStore({
      devices: opened.devices,
      checksumKey: key,
      claimBlank: true,
      log,
      onOperation: ({ device, operation, outcome, seconds }) =>
        calls.observe({ device, operation, outcome }, seconds),
    });
    handedOver = true;
    atEnd(() => store.close());
    const events = createEventRecorder({
      client,
      controller: "hsm.j5t.io/manager",
      instance: options.identity,
      namespace: options.namespace,
      logger: log,
    });
    atEnd(() => events.close());
    const lead = async (fence: AbortSignal): Promise<void> => {
      const controller = createHsmSecretController({
        client,
        store,
        events,
        operatorNamespace: options.namespace,
        devices: opened.devices.map(({ name }) => name),
        namespaces: options.watchNamespaces,
        workers: options.workers,
        instance: options.instance,
        logger: log,
        onReconciled: ({ result, duration }) => reconciles.observe({ result }, duration / 1_000),
        onReady: () => {
          ready = true;
          log.info("serving HSMSecrets");
        },
      });
      // Pools wait by themselves for their CRDs: secrets on known devices are served without.
      const pools = createHsmPoolController({
        client,
        events,
        operatorNamespace: options.namespace,
        daemonSet: options.discoveryDaemonSet,
        logger: log,
        onReconciled: ({ result, duration }) => poolReconciles.observe({ result }, duration / 1_000),
        onReady: () => log.info("gathering devices into HSMPools"),
      });
      await Promise.all([controller.run(fence), pools.run(fence)]);
      ready = false;
    };
    log.info("the manager has started", { devices: opened.devices.map(({ name }) => name), mock });
    if (options.leaderElect) {
      const { namespace, identity } = options;
      const elector = createLeaderElector({ client, namespace, name: FIELD_MANAGER, identity, logger: log });
      // A replica that waits for its turn is as ready as it can be.
      ready = true;
      await elector.run(signal, lead);
    } else {
      await lead(signal);
    }
  } finally {
    for (const close of closing) {
      await Promise.resolve(close()).catch((error: unknown) =>
        log.warn("something did not close", {}, error),
      );
    }
  }
}

async function connect(options: ManagerOptions, log: Logger): Promise<KubeClient> {
  try {
    const connection = await findConnection({ kubeconfig: options.kubeconfig });
    return createKubeClient(connection, {
      userAgent: "hsm-secrets-operator",
      fieldManager: FIELD_MANAGER,
      onWarning: (text) => log.warn("the API server warns", { text }),
    });
  } catch (error) {
    if (error instanceof KubeconfigError || isMissingFile(error)) {
      const why = error instanceof Error ? error.message : String(error);
      throw new UsageError(`The API server is not known: ${why}`, { cause: error });
    }
    throw error;
  }
}

function isMissingFile(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function serve(
  options: ManagerOptions,
  metrics: ReturnType<typeof createMetrics>,
  isReady: () => boolean,
): Promise<readonly Listener[]> {
  const note = options.client === "mock" ? "ok (MOCK: no hardware)\n" : "ok\n";
  const listeners: Listener[] = [];
  if (options.health !== undefined) {
    listeners.push(
      await servePages(options.health, {
        "/livez": async () => ({ ok: true, text: note }),
        "/readyz": async () =>
          isReady() ? { ok: true, text: note } : { ok: false, text: "The manager is not ready.\n" },
      }),
    );
  }
  if (options.metrics !== undefined) {
    listeners.push(
      await servePages(options.metrics, {
        "/metrics": async () => ({ ok: true, text: await metrics.render(), type: metrics.contentType }),
      }),
    );
  }
  return listeners;
}

/** One sentence and the exit code for whatever ended the manager. */
export function explainFailure(error: unknown): { readonly exitCode: 1 | 2; readonly sentence: string } {
  if (error instanceof UsageError) return { exitCode: 2, sentence: error.message };
  if (error instanceof ChecksumKeyError || error instanceof KubeError) {
    return { exitCode: 1, sentence: error.message };
  }
  return { exitCode: 1, sentence: error instanceof Error ? error.message : String(error) };
}
