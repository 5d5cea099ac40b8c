/** An HSMPool controller in process on the embedded API server, with a clock that the test moves. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { createApiServer } from "../../src/apiserver/server.ts";
import { HSM_DEVICES, type HsmDeviceObject } from "../../src/controllers/hsmdevice/resource.ts";
import { createHsmPoolController } from "../../src/controllers/hsmpool/controller.ts";
import { HSM_POOLS, type HsmPoolObject } from "../../src/controllers/hsmpool/resource.ts";
import { ANNOTATION_DEVICE_REPORT } from "../../src/crd/device-report.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { type Clock, systemClock } from "../../src/kube/clock.ts";
import { createEventRecorder } from "../../src/kube/events.ts";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { ownerReferenceTo } from "../../src/kube/object.ts";
import {
  CUSTOM_RESOURCE_DEFINITIONS,
  DAEMON_SETS,
  EVENTS,
  NAMESPACES,
  NODES,
  PODS,
  type Pod,
} from "../../src/kube/resources.ts";
import { ManualClock } from "../kube/manual-clock.ts";

export const NAMESPACE = "hsm-system";
const READS = new Set(["get", "list", "watch"]);

export interface PoolWorld {
  readonly people: KubeClient;
  /** The controller's; it stands until a test moves it. Its start is the present. */
  readonly clock: ManualClock;
  /** Writes of the controller to the API server, events left out. */
  readonly writes: string[];
  /** Requests of the controller of any kind. */
  readonly requests: () => number;
  readonly reconciles: () => number;
  hsmDevice(name: string, spec?: object): Promise<HsmDeviceObject>;
  node(name: string, labels?: Readonly<Record<string, string>>): Promise<void>;
  /** A discovery pod on the node; `controlled` false: one that pretends. */
  pod(name: string, node: string, controlled?: boolean): Promise<Pod>;
  removePod(name: string): Promise<void>;
  report(pod: string, text: string): Promise<void>;
  pool(name: string): Promise<HsmPoolObject | undefined>;
  /** Reasons of the events about an object. */
  events(name: string): Promise<readonly string[]>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** `heard` gives the text of a report, dated by the world's clock. */
export function reportText(clock: Clock, device: string, node: string, serials: readonly string[]): string {
  const at = new Date(clock.now()).toISOString();
  return JSON.stringify({
    hsmDeviceName: device,
    reportingNode: node,
    discoveredDevices: serials.map((serialNumber) => ({
      devicePath: "/dev/bus/usb/001/004",
      serialNumber,
      vendorId: "20a0",
      productId: "4230",
      lastSeen: at,
    })),
    lastReportTime: at,
    discoveryStatus: "Complete",
    heartbeatSeconds: 120,
  });
}

export async function createPoolWorld(): Promise<PoolWorld> {
  const folder = await mkdtemp(join(tmpdir(), "pools-"));
  const server = await createApiServer({ listen: { host: "127.0.0.1", port: 0 } });
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, server.kubeconfig());
  const connection = await connectionFromKubeconfig({ files: [kubeconfig] });
  const people = createKubeClient(connection, { userAgent: "people/1", fieldManager: "people" });
  for (const plural of ["hsmdevices", "hsmpools"]) {
    const text = await readFile(new URL(`../../crds/${plural}.yaml`, import.meta.url), "utf8");
    await people.create(CUSTOM_RESOURCE_DEFINITIONS, parse(text));
  }
  await people.create(NAMESPACES, { metadata: { name: NAMESPACE } });
  const daemonSet = await people.create(DAEMON_SETS, {
    metadata: { namespace: NAMESPACE, name: "hsm-discovery" },
    spec: {
      selector: { matchLabels: { app: "discovery" } },
      template: {
        metadata: { labels: { app: "discovery" } },
        spec: { containers: [{ name: "discovery", image: "discovery" }] },
      },
    },
  } as never);
  const clock = new ManualClock(systemClock.now());
  const writes: string[] = [];
  let requests = 0;
  let reconciles = 0;
  let stop = await start();

  async function start(): Promise<() => Promise<void>> {
    const client = createKubeClient(connection, {
      userAgent: "manager/1",
      fieldManager: "hsm-secrets-operator",
      onRequest: ({ verb, resource }) => {
        requests += 1;
        if (!READS.has(verb) && resource !== "events") writes.push(`${verb} ${resource}`);
      },
    });
    const events = createEventRecorder({
      client,
      controller: "hsm.j5t.io/manager",
      instance: "test",
      namespace: NAMESPACE,
    });
    const ended = new AbortController();
    let ready = () => {};
    const listed = new Promise<void>((done) => {
      ready = done;
    });
    const running = createHsmPoolController({
      client,
      events,
      operatorNamespace: NAMESPACE,
      daemonSet: "hsm-discovery",
      clock,
      onReconciled: () => {
        reconciles += 1;
      },
      onReady: () => ready(),
    }).run(ended.signal);
    await listed;
    return async () => {
      ended.abort();
      await running;
      await events.close();
      await client.close();
    };
  }

  return {
    people,
    clock,
    writes,
    requests: () => requests,
    reconciles: () => reconciles,
    hsmDevice: (name, spec = {}) =>
      people.create(HSM_DEVICES, {
        metadata: { namespace: NAMESPACE, name },
        spec: { deviceType: "PicoHSM", discovery: { autoDiscovery: true }, ...spec },
      }),
    async node(name, labels = {}) {
      await people.create(NODES, { metadata: { name, labels } });
    },
    pod: (name, node, controlled = true) =>
      people.create(PODS, {
        metadata: {
          namespace: NAMESPACE,
          name,
          ownerReferences: controlled ? [ownerReferenceTo(daemonSet)] : [],
        },
        spec: { nodeName: node, containers: [{ name: "discovery", image: "discovery" }] },
      } as never),
    async removePod(name) {
      const ref = { namespace: NAMESPACE, name };
      await people.raw({
        method: "DELETE",
        path: `/api/v1/namespaces/${ref.namespace}/pods/${ref.name}?gracePeriodSeconds=0`,
      });
    },
    async report(pod, text) {
      const body = { metadata: { annotations: { [ANNOTATION_DEVICE_REPORT]: text } } };
      await people.patch(PODS, { namespace: NAMESPACE, name: pod }, { type: "merge", body });
    },
    pool: (name) => people.find(HSM_POOLS, { namespace: NAMESPACE, name }),
    async events(name) {
      const { items } = await people.list(EVENTS, { namespace: NAMESPACE });
      return items
        .map((item) => item as unknown as { reason: string; regarding: { name: string } })
        .filter(({ regarding }) => regarding.name === name)
        .map(({ reason }) => reason);
    },
    async restart() {
      await stop();
      stop = await start();
    },
    async close() {
      await stop();
      await people.close();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
