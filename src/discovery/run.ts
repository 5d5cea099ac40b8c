/** Puts discovery together and runs it until its signal aborts. */

import type { KubeClient } from "../kube/client.ts";
import { createKubeClientOver } from "../kube/client-over.ts";
import { type Clock, type Random, sleep, systemClock } from "../kube/clock.ts";
import { type Connection, inClusterConnection } from "../kube/connection.ts";
import { createInformer, type Informer } from "../kube/informer.ts";
import type { KubeObject } from "../kube/object.ts";
import type { ReflectorEvent } from "../kube/reflector.ts";
import { NODES } from "../kube/resources.ts";
import { createSmallTransport } from "../kube/small-transport.ts";
import { equal } from "../kube/status.ts";
import type { Logger } from "../telemetry/log.ts";
import { type DeviceFiles, foldersOf, systemFiles } from "./device-nodes.ts";
import { type Finding, searchOf, type UsbSource } from "./finder.ts";
import { watchFolders } from "./folder-watch.ts";
import { serveHealth } from "./health.ts";
import { type DiscoveryOptions, UsageError } from "./options.ts";
import { type NodeView, reportsOf, wantedOn } from "./report.ts";
import { createReporter } from "./reporter.ts";
import { HSM_DEVICES, type HsmDeviceObject } from "./resource.ts";
import { createScanner } from "./scanner.ts";
import { openUsbSource } from "./usb-source.ts";

export interface DiscoveryParts {
  readonly client: KubeClient;
  readonly usb: UsbSource;
  readonly files?: DeviceFiles | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly log: Logger;
}

/** Milliseconds between two looks that nothing asked for; up to half as long again. */
const RESCAN = 20_000;
/** A look that lasts this long hangs in the kernel: only a restart helps. */
const HANGS = 120_000;

/** With the real parts. Rejects with a UsageError when the API server is not known. */
export async function runDiscovery(
  options: DiscoveryOptions,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const client = await connect(options, log);
  try {
    const places = { sysRoot: options.sysfsRoot, devRoot: "/dev" };
    const usb = openUsbSource(places, log);
    try {
      await discover(options, { client, usb, log }, signal);
    } finally {
      await usb.close();
    }
  } finally {
    await client.close();
  }
}

/** Until the signal aborts. The parts stay open. */
export async function discover(
  options: DiscoveryOptions,
  parts: DiscoveryParts,
  signal: AbortSignal,
): Promise<void> {
  const { client, usb, log, files = systemFiles, clock = systemClock, random = Math.random } = parts;
  const onEvent = warnOnce(log);
  const watching = { client, clock, random, onEvent };
  const hsmDevices = createInformer<HsmDeviceObject>({
    ...watching,
    resource: HSM_DEVICES,
    namespaces: [options.podNamespace],
  });
  const nodes = createInformer({
    ...watching,
    resource: NODES,
    fieldSelector: `metadata.name=${options.nodeName}`,
    metadataOnly: true,
  });
  const informers: readonly Pick<Informer<KubeObject>, "run" | "store">[] = [hsmDevices, nodes];
  const node = (): NodeView | undefined => {
    const object = nodes.store.get(options.nodeName);
    return object === undefined
      ? undefined
      : { name: options.nodeName, labels: object.metadata.labels ?? {} };
  };
  const known = () => informers.every(({ store }) => store.synced);
  const wanted = () => {
    const view = node();
    return known() && view !== undefined ? wantedOn(hsmDevices.store.list(), view) : undefined;
  };
  let findings: ReadonlyMap<string, Finding> | undefined;
  const compose = () => {
    const view = node();
    if (findings === undefined || view === undefined) return undefined;
    return reportsOf({
      hsmDevices: hsmDevices.store.list(),
      node: view,
      findings,
      heartbeatSeconds: options.heartbeat,
      now: clock.now(),
    });
  };
  const pod = { namespace: options.podNamespace, name: options.podName };
  const heartbeat = options.heartbeat * 1000;
  const reporter = createReporter({ client, pod, compose, heartbeat, clock, random, log });
  const roots = { sysfs: options.sysfsRoot, dev: options.devRoot };
  const onFindings = (found: ReadonlyMap<string, Finding>) => {
    findings = found;
    reporter.changed();
  };
  const scanner = createScanner({ usb, files, roots, wanted, onFindings, clock, log });
  const folders = watchFolders(() => scanner.scan());
  const look = () => {
    const patterns = (wanted() ?? []).flatMap(({ spec }) => {
      const search = searchOf(spec);
      return search.kind === "path" ? foldersOf(search.pattern, options.devRoot) : [];
    });
    folders.follow(patterns);
    scanner.scan();
  };
  const stops = [
    usb.onChange(look),
    hsmDevices.store.onChange(look),
    nodes.store.onChange((change) => {
      const labels = (object: KubeObject) => object.metadata.labels ?? {};
      if (change.type !== "updated" || !equal(labels(change.old), labels(change.object))) look();
    }),
  ];
  const health =
    options.health === undefined
      ? undefined
      : await serveHealth(options.health, {
          live: () =>
            scanner.busyFor < HANGS
              ? { ok: true, text: "ok" }
              : { ok: false, text: "The search for devices hangs." },
          ready: () =>
            reporter.reported
              ? { ok: true, text: "ok" }
              : { ok: false, text: "No report has been taken by the API server yet." },
        });
  const started = { node: options.nodeName, ...(health === undefined ? {} : { healthPort: health.port }) };
  log.info("discovery has started", started);
  try {
    const running = Promise.all([
      ...informers.map((informer) => informer.run(signal)),
      reporter.run(signal),
      rescan(look, clock, random, signal),
    ]);
    // Listings that are empty change nothing, and yet say that there is nothing to look for.
    for (const { store } of informers) store.waitForSync(signal).then(look, () => {});
    await running;
  } finally {
    for (const stop of stops) stop();
    folders.close();
    await scanner.idle();
    await health?.close();
  }
}

async function rescan(look: () => void, clock: Clock, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(clock, RESCAN * (1 + 0.5 * random()), signal);
    if (!signal.aborted) look();
  }
}

/** Once for each row of failures: the watches go on by themselves. */
function warnOnce(log: Logger) {
  const troubled = new Set<string>();
  return (event: ReflectorEvent, { plural }: { readonly plural: string }): void => {
    if (event.kind === "listed") troubled.delete(plural);
    if (event.kind !== "listFailed" && event.kind !== "watchRefused" && event.kind !== "watchBroken") return;
    if (troubled.has(plural)) return;
    troubled.add(plural);
    log.warn("a watch failed and is tried again", { resource: plural, kind: event.kind }, event.error);
  };
}

async function connect(options: DiscoveryOptions, log: Logger): Promise<KubeClient> {
  const connection = await findServer(options);
  return createKubeClientOver(createSmallTransport(connection), connection, {
    userAgent: "hsm-secrets-operator-discovery",
    fieldManager: "hsm-discovery",
    onWarning: (text) => log.warn("the API server warns", { text }),
  });
}

/** The pod's service account comes first: reading a kubeconfig needs a YAML parser, which a pod can do without. */
async function findServer(options: DiscoveryOptions): Promise<Connection> {
  try {
    const named = options.kubeconfig ?? process.env["KUBECONFIG"] ?? "";
    const inCluster = named === "" ? await inClusterConnection() : undefined;
    if (inCluster !== undefined) return inCluster;
    const { findConnection } = await import("../kube/kubeconfig.ts");
    return await findConnection({ kubeconfig: options.kubeconfig });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`The API server is not known: ${why}`, { cause: error });
  }
}
