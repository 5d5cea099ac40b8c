// Discovery in process on an API server: HSMDevices and labels in, the annotation of its own pod out, writes counted.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";
import {
  ANNOTATION_DEVICE_REPORT,
  type DeviceReport,
  parseDeviceReports,
} from "../../src/crd/device-report.ts";
import type { UsbDevice, UsbSource } from "../../src/discovery/finder.ts";
import type { DiscoveryOptions } from "../../src/discovery/options.ts";
import { HSM_DEVICES } from "../../src/discovery/resource.ts";
import { discover } from "../../src/discovery/run.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, NODES, PODS } from "../../src/kube/resources.ts";
import { silentLogger } from "../../src/telemetry/log.ts";

const NAMESPACE = "hsm-system";
const SOON = { timeout: 8_000, interval: 10 };
const pod = { namespace: NAMESPACE, name: "d1" };

/** A node's USB sockets in the hands of the test. */
class Sockets implements UsbSource {
  devices: UsbDevice[] = [];
  failing = false;
  readonly #listeners = new Set<() => void>();
  async list(): Promise<readonly UsbDevice[]> {
    if (this.failing) throw new Error("USB devices cannot be listed.");
    return [...this.devices];
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  async close(): Promise<void> {}
  set(...serials: readonly string[]): void {
    this.devices = serials.map((serialNumber, index) => ({
      devicePath: `/dev/bus/usb/001/00${index + 1}`,
      vendorId: "20a0",
      productId: "4230",
      serialNumber,
    }));
    this.tell();
  }
  tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

let folder: string;
let server: ApiServer;
let people: KubeClient;
let client: KubeClient;
let sockets: Sockets;
let writes: string[];
let stop: AbortController;
let ended: Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "discovery-"));
  server = await createApiServer({ listen: { host: "127.0.0.1", port: 0 } });
  await writeFile(join(folder, "kubeconfig"), server.kubeconfig());
  const connection = await connectionFromKubeconfig({ files: [join(folder, "kubeconfig")] });
  people = createKubeClient(connection, { userAgent: "people/1", fieldManager: "people" });
  const text = await readFile(new URL("../../crds/hsmdevices.yaml", import.meta.url), "utf8");
  await people.create(CUSTOM_RESOURCE_DEFINITIONS, parse(text));
  await people.create(NAMESPACES, { metadata: { name: NAMESPACE } });
  await people.create(NODES, { metadata: { name: "n1", labels: { rack: "a" } } });
  await people.create(PODS, {
    metadata: pod,
    spec: { nodeName: "n1", containers: [{ name: "discovery", image: "discovery" }] },
  } as never);
  writes = [];
  client = createKubeClient(connection, {
    userAgent: "discovery/1",
    fieldManager: "hsm-discovery",
    onRequest: ({ verb, resource }) => {
      if (verb !== "list" && verb !== "watch") writes.push(`${verb} ${resource}`);
    },
  });
  sockets = new Sockets();
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await ended;
  await client.close();
  await people.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

function start(): void {
  const options: DiscoveryOptions = {
    kubeconfig: undefined,
    nodeName: "n1",
    podName: pod.name,
    podNamespace: NAMESPACE,
    sysfsRoot: join(folder, "sys"),
    devRoot: join(folder, "dev"),
    health: undefined,
    heartbeat: 120,
    logLevel: "silent",
  };
  ended = discover(options, { client, usb: sockets, log: silentLogger }, stop.signal);
}

const hsmDevice = (name: string, spec: object = {}) =>
  people.create(HSM_DEVICES, {
    metadata: { namespace: NAMESPACE, name },
    spec: { deviceType: "PicoHSM", discovery: { autoDiscovery: true }, ...spec },
  });

async function reports(): Promise<readonly DeviceReport[]> {
  const text = (await people.get(PODS, pod)).metadata.annotations?.[ANNOTATION_DEVICE_REPORT];
  if (text === undefined) return [];
  const parsed = parseDeviceReports(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.reports;
}

const told = async () =>
  (await reports()).map(
    ({ hsmDeviceName, discoveredDevices }) =>
      `${hsmDeviceName}: ${discoveredDevices.map(({ serialNumber }) => serialNumber).join(" ")}`,
  );

describe("discovery", () => {
  it("reports what is plugged in for each HSMDevice that fits the node, and every change with one write", async () => {
    sockets.set("A");
    start();
    await hsmDevice("pico", { nodeSelector: { rack: "a" } });
    await hsmDevice("other-rack", { nodeSelector: { rack: "b" } });
    await people.create(HSM_DEVICES, {
      metadata: { namespace: "default", name: "elsewhere" },
      spec: { deviceType: "PicoHSM", discovery: { autoDiscovery: true } },
    });
    await expect.poll(told, SOON).toEqual(["pico: A"]);
    const before = writes.length;
    sockets.set("A", "B");
    await expect.poll(told, SOON).toEqual(["pico: A B"]);
    sockets.tell();
    sockets.set("B");
    await expect.poll(told, SOON).toEqual(["pico: B"]);
    expect(writes.slice(before)).toEqual(["patch pods", "patch pods"]);
  });

  it("follows the labels of its node and the HSMDevices", async () => {
    sockets.set("A");
    await hsmDevice("pico", { nodeSelector: { rack: "b" } });
    await hsmDevice("one", {
      discovery: { usb: { vendorId: "20a0", productId: "4230", serialNumber: "A" } },
    });
    start();
    await expect.poll(told, SOON).toEqual(["one: A"]);
    const labels = { rack: "b" };
    await people.patch(NODES, { name: "n1" }, { type: "merge", body: { metadata: { labels } } });
    await expect.poll(told, SOON).toEqual(["one: A", "pico: A"]);
    await people.delete(HSM_DEVICES, { namespace: NAMESPACE, name: "one" });
    await expect.poll(told, SOON).toEqual(["pico: A"]);
    await people.delete(HSM_DEVICES, { namespace: NAMESPACE, name: "pico" });
    await expect.poll(told, SOON).toEqual([]);
  });

  it("says that a search failed, and not that there is nothing", async () => {
    sockets.set("A");
    await hsmDevice("pico");
    start();
    await expect.poll(told, SOON).toEqual(["pico: A"]);
    sockets.failing = true;
    sockets.tell();
    await expect.poll(async () => (await reports())[0]?.discoveryStatus, SOON).toBe("Failed");
    expect((await reports())[0]?.error).toBe("USB devices cannot be listed.");
    sockets.failing = false;
    sockets.tell();
    await expect.poll(told, SOON).toEqual(["pico: A"]);
  });

  it("reports no more than maxDevices, and says that there are more", async () => {
    sockets.set("A", "B", "C");
    await hsmDevice("pico", { maxDevices: 2 });
    start();
    await expect.poll(told, SOON).toEqual(["pico: A B"]);
    expect((await reports())[0]?.discoveryStatus).toBe("Limited");
  });

  it("500 plugs and unplugs: few writes, and the last state is told", async () => {
    await hsmDevice("pico");
    start();
    await expect.poll(told, SOON).toEqual(["pico: "]);
    const before = writes.length;
    const began = Date.now();
    for (let change = 1; change <= 500; change += 1) {
      sockets.set(...(change % 2 === 0 ? ["A"] : []));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(told, SOON).toEqual(["pico: A"]);
    const seconds = (Date.now() - began) / 1000;
    console.log(`500 changes in ${seconds.toFixed(1)} s: ${writes.length - before} writes`);
    expect(writes.length - before).toBeLessThanOrEqual(5 * seconds + 2);
  });
});
