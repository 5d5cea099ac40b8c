// The generated CRDs and the examples on an API server: what it takes, fills in, and refuses.
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";
import { HSM_DEVICES } from "../../src/controllers/hsmdevice/resource.ts";
import { HSM_SECRETS } from "../../src/controllers/hsmsecret/resource.ts";
import { parseHsmDevice, parseHsmSecret } from "../../src/crd/parse.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES } from "../../src/kube/resources.ts";

const examples = new URL("../../examples/", import.meta.url);
let folder: string;
let server: ApiServer;
let client: KubeClient;
const warnings: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "crds-"));
  server = await createApiServer({ listen: { host: "127.0.0.1", port: 0 } });
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, server.kubeconfig());
  client = createKubeClient(await connectionFromKubeconfig({ files: [kubeconfig] }), {
    userAgent: "tests/1",
    fieldManager: "tests",
    onWarning: (text) => warnings.push(text),
  });
  for (const plural of ["hsmsecrets", "hsmdevices", "hsmpools"]) {
    const text = await readFile(new URL(`../../crds/${plural}.yaml`, import.meta.url), "utf8");
    await client.create(CUSTOM_RESOURCE_DEFINITIONS, parse(text));
  }
  await client.create(NAMESPACES, { metadata: { name: "hsm-system" } });
});

afterAll(async () => {
  await client.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

describe("examples", () => {
  it("are taken without a warning and parse", async () => {
    const files = (await readdir(examples)).filter(
      (name) => name.startsWith("hsm") && name.endsWith(".yaml"),
    );
    expect(files.length).toBeGreaterThan(4);
    for (const file of files) {
      const object = parse(await readFile(new URL(file, examples), "utf8")) as KubeObject;
      const resource = object.kind === "HSMSecret" ? HSM_SECRETS : HSM_DEVICES;
      const created = await client.create<KubeObject>(resource, object);
      const parsed = object.kind === "HSMSecret" ? parseHsmSecret(created) : parseHsmDevice(created);
      expect(parsed.ok ? "" : parsed.message, file).toBe("");
    }
    expect(warnings).toEqual([]);
  });
});

describe("HSMSecret", () => {
  let serial = 0;
  const create = (spec: Readonly<Record<string, unknown>>) => {
    serial += 1;
    return client.create(HSM_SECRETS, { metadata: { namespace: "default", name: `s-${serial}` }, spec });
  };
  const change = (name: string, spec: Readonly<Record<string, unknown>>) =>
    client.patch(HSM_SECRETS, { namespace: "default", name }, { type: "merge", body: { spec } });

  it("has its defaults filled in by the server", async () => {
    const { spec } = await create({});
    expect(spec).toEqual({
      secretType: "Opaque",
      autoSync: true,
      syncInterval: 300,
      direction: "Bidirectional",
      conflictPolicy: "Report",
      deletionPolicy: "Retain",
      secretDeletionPolicy: "Delete",
      adopt: false,
    });
  });

  it.each([
    [{ hsmPath: "a/../b" }, "spec.hsmPath"],
    [{ hsmPath: "/a" }, "spec.hsmPath"],
    [{ hsmPath: "a/_b" }, "spec.hsmPath"],
    [{ hsmPath: "x".repeat(129) }, "spec.hsmPath"],
    [{ syncInterval: 4 }, "spec.syncInterval"],
    [{ direction: "Up" }, "spec.direction"],
    [{ historyLimit: 21 }, "spec.historyLimit"],
    [{ keys: [{ from: "a", to: "b" }] }, "keys needs direction HSMToSecret"],
    [{ secretType: "kubernetes.io/service-account-token" }, "mint credentials"],
    [{ deviceRef: {} }, "spec.deviceRef.name"],
  ])("refuses %j", async (spec, words) => {
    await expect(create(spec)).rejects.toMatchObject({
      status: 422,
      message: expect.stringContaining(words),
    });
  });

  it.each([
    ["hsmPath", "a/b", "a/c"],
    ["secretName", "one", "two"],
    ["secretType", "Opaque", "example.com/x"],
  ])("%s neither changes nor comes nor goes", async (field, first, second) => {
    const refused = (promise: Promise<unknown>) =>
      expect(promise).rejects.toMatchObject({
        status: 422,
        message: expect.stringContaining(`${field} is immutable`),
      });
    const set = await create({ [field]: first });
    await refused(change(set.metadata.name, { [field]: second }));
    if (field === "secretType") return;
    await refused(change(set.metadata.name, { [field]: null }));
    const unset = await create({});
    await refused(change(unset.metadata.name, { [field]: first }));
  });

  it("may change in all else", async () => {
    const { metadata } = await create({});
    const changed = await change(metadata.name, { syncInterval: 30, deletionPolicy: "Delete" });
    expect(changed.metadata.generation).toBe(2);
  });
});

describe("HSMDevice", () => {
  let serial = 0;
  const create = (discovery: Readonly<Record<string, unknown>>) => {
    serial += 1;
    return client.create(HSM_DEVICES, {
      metadata: { namespace: "hsm-system", name: `d-${serial}` },
      spec: { deviceType: "PicoHSM", discovery },
    });
  };

  it("takes one USB id or a list of them, and keeps both as they are", async () => {
    const id = { vendorId: "20a0", productId: "4230" };
    expect((await create({ usb: id })).spec?.["discovery"]).toEqual({ usb: id });
    expect((await create({ usb: [id, id] })).spec?.["discovery"]).toEqual({ usb: [id, id] });
  });

  it.each([
    [{}],
    [{ autoDiscovery: true, usb: [{ vendorId: "20a0", productId: "4230" }] }],
    [{ autoDiscovery: true, devicePath: { path: "/dev/ttyUSB*" } }],
    [{ autoDiscovery: false }],
  ])("refuses %j: exactly one way of discovery", async (discovery) => {
    await expect(create(discovery)).rejects.toMatchObject({ status: 422 });
  });
});
