// The Kubernetes machinery against the embedded API server, over HTTPS with its certificates and tokens.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createController } from "../../src/kube/controller.ts";
import { isConflict, isExpired, isNotFound } from "../../src/kube/error.ts";
import { createEventRecorder } from "../../src/kube/events.ts";
import { addFinalizer, removeFinalizer } from "../../src/kube/finalizers.ts";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { createInformer, storeSource } from "../../src/kube/informer.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { createLeaderElector } from "../../src/kube/leader.ts";
import type { KubeObject, Resource } from "../../src/kube/object.ts";
import {
  CUSTOM_RESOURCE_DEFINITIONS,
  EVENTS,
  LEASES,
  NAMESPACES,
  SECRETS,
  type Secret,
} from "../../src/kube/resources.ts";
import { writeStatus } from "../../src/kube/status.ts";
import { Journal } from "./journal.ts";

interface HsmSecret extends KubeObject {
  readonly spec?: { readonly hsmPath?: string };
  readonly status?: { readonly syncStatus?: string; readonly lastError?: string | undefined };
}

const HSM_SECRETS: Resource<HsmSecret> = {
  group: "hsm.j5t.io",
  version: "v1alpha1",
  plural: "hsmsecrets",
  kind: "HSMSecret",
  namespaced: true,
};

let folder: string;
let server: ApiServer;
let client: KubeClient;
let namespace: string;
let serial = 0;
let stop: AbortController;
const running: Promise<unknown>[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kube-apiserver-"));
  server = await createApiServer({ listen: { host: "127.0.0.1", port: 0 } });
  await writeFile(join(folder, "kubeconfig"), server.kubeconfig());
  const connection = await connectionFromKubeconfig({ files: [join(folder, "kubeconfig")] });
  client = createKubeClient(connection, { userAgent: "tests/1", fieldManager: "tests" });
  const definition = parse(await readFile(new URL("../../crds/hsmsecrets.yaml", import.meta.url), "utf8"));
  await client.create(CUSTOM_RESOURCE_DEFINITIONS, definition);
});

afterAll(async () => {
  await client.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  serial += 1;
  namespace = `case-${serial}`;
  await client.create(NAMESPACES, { metadata: { name: namespace } });
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await Promise.all(running.splice(0));
});

const create = (name: string, data: Record<string, string> = {}) =>
  client.create(SECRETS, { metadata: { namespace, name }, data });

function watchSecrets(pageSize?: number) {
  const informer = createInformer<Secret>({ client, resource: SECRETS, namespaces: [namespace], pageSize });
  const changes = new Journal<string>();
  informer.store.onChange((change) => changes.add(`${change.type} ${change.object.metadata.name}`));
  running.push(informer.run(stop.signal));
  return { store: informer.store, changes, seen: (text: string) => changes.until((entry) => entry === text) };
}

describe("client", () => {
  it("creates, reads, patches and deletes with what it saw as a condition", async () => {
    const made = await create("db", { a: "MQ==" });
    const patched = await client.patch(
      SECRETS,
      { namespace, name: "db" },
      {
        type: "merge",
        body: { metadata: { resourceVersion: made.metadata.resourceVersion }, data: { a: null, b: "Mg==" } },
      },
    );
    expect(patched.data).toEqual({ b: "Mg==" });
    const stale = { type: "merge", body: { metadata: made.metadata, data: { c: "Mw==" } } } as const;
    await expect(client.patch(SECRETS, { namespace, name: "db" }, stale)).rejects.toSatisfy(isConflict);
    const { uid } = made.metadata;
    const other = { preconditions: { uid: "00000000-0000-0000-0000-000000000000" } };
    await expect(client.delete(SECRETS, { namespace, name: "db" }, other)).rejects.toSatisfy(isConflict);
    expect(
      await client.delete(SECRETS, { namespace, name: "db" }, { preconditions: { uid } }),
    ).toBeUndefined();
    expect(await client.find(SECRETS, { namespace, name: "db" })).toBeUndefined();
    await expect(client.delete(SECRETS, { namespace, name: "db" })).rejects.toSatisfy(isNotFound);
  });

  it("lists more objects than fit a page", async () => {
    for (let i = 0; i < 7; i += 1) await create(`s${i}`);
    const page = await client.listAll(SECRETS, { namespace, limit: 3 });
    expect(page.items.map((item) => item.metadata.name)).toEqual(["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);
  });

  it("learns by a watch from too old a version that it has expired", async () => {
    const made = await create("db");
    await create("web");
    server.forgetHistory();
    const resourceVersion = made.metadata.resourceVersion;
    const watch = async () => {
      for await (const _ of client.watch(SECRETS, { namespace, resourceVersion, signal: stop.signal }))
        return;
    };
    await expect(watch()).rejects.toSatisfy(isExpired);
  });
});

describe("informer", () => {
  it("shows what is there and follows what happens", async () => {
    await create("a");
    await create("b");
    const { store, seen } = watchSecrets(1);
    await store.waitForSync();
    expect(store.list().map((object) => object.metadata.name)).toEqual(["a", "b"]);
    await client.delete(SECRETS, { namespace, name: "a" });
    await seen("deleted a");
    await create("c");
    await seen("added c");
    expect(store.get(`${namespace}/c`)?.kind).toBe("Secret");
  });

  it("sees a secret that was replaced under its name as another one", async () => {
    await create("a");
    const { store, changes } = watchSecrets();
    await store.waitForSync();
    await client.delete(SECRETS, { namespace, name: "a" });
    await create("a", { x: "MQ==" });
    await changes.until((entry) => entry === "added a", 2);
    expect(changes.entries).toEqual(["added a", "deleted a", "added a"]);
  });

  it("shows an own write before the watch tells of it", async () => {
    const { store, changes, seen } = watchSecrets();
    await store.waitForSync();
    const made = await create("a");
    store.observeWrite(made);
    expect(store.get(`${namespace}/a`)?.metadata.uid).toBe(made.metadata.uid);
    const { resourceVersion } = await create("b").then((object) => object.metadata);
    await store.waitFor(`${namespace}/b`, resourceVersion);
    await seen("added b");
    expect(changes.entries.filter((entry) => entry === "added a")).toHaveLength(1);
  });

  it("selects by label: an object that loses it goes, and comes back with it", async () => {
    const labels = { "app.kubernetes.io/managed-by": "hsm-secrets-operator" };
    await client.create(SECRETS, { metadata: { namespace, name: "ours", labels } });
    await create("theirs");
    const informer = createInformer<Secret>({
      client,
      resource: SECRETS,
      namespaces: [namespace],
      labelSelector: "app.kubernetes.io/managed-by=hsm-secrets-operator",
    });
    const changes = new Journal<string>();
    informer.store.onChange((change) => changes.add(change.type));
    running.push(informer.run(stop.signal));
    await informer.store.waitForSync();
    expect(informer.store.size).toBe(1);
    const label = (value: string | null) =>
      client.patch(
        SECRETS,
        { namespace, name: "ours" },
        { type: "merge", body: { metadata: { labels: { "app.kubernetes.io/managed-by": value } } } },
      );
    await label(null);
    await changes.until((entry) => entry === "deleted");
    await label("hsm-secrets-operator");
    await changes.until((entry) => entry === "added", 2);
  });

  it("feeds a controller from change to reconcile", async () => {
    const { store } = watchSecrets();
    const reconciled = new Journal<string>();
    const controller = createController({
      name: "copy",
      workers: 2,
      sources: [storeSource(store, ({ object }) => [object.metadata.name])],
      async reconcile(key) {
        reconciled.add(key);
        return undefined;
      },
    });
    running.push(controller.run(stop.signal));
    await create("a");
    await reconciled.until((key) => key === "a");
  });
});

describe("status, finalizers, events, leases", () => {
  it("writes a status only where it changes", async () => {
    const made = await client.create(HSM_SECRETS, { metadata: { namespace, name: "db" }, spec: {} });
    const first = await writeStatus(client, HSM_SECRETS, made, { syncStatus: "Error", lastError: "gone" });
    expect(first.status).toEqual({ syncStatus: "Error", lastError: "gone" });
    const second = await writeStatus(client, HSM_SECRETS, first, {
      syncStatus: "InSync",
      lastError: undefined,
    });
    expect(second.status).toEqual({ syncStatus: "InSync" });
    expect(await writeStatus(client, HSM_SECRETS, second, { syncStatus: "InSync" })).toBe(second);
    await client.delete(HSM_SECRETS, { namespace, name: "db" });
    await client.create(HSM_SECRETS, { metadata: { namespace, name: "db" }, spec: {} });
    await expect(writeStatus(client, HSM_SECRETS, second, { syncStatus: "Error" })).rejects.toSatisfy(
      isConflict,
    );
  });

  it("keeps an object with a finalizer until it is off", async () => {
    const made = await client.create(HSM_SECRETS, { metadata: { namespace, name: "db" }, spec: {} });
    const held = await addFinalizer(client, HSM_SECRETS, made, "hsm.j5t.io/sync");
    expect(held.metadata.generation).toBe(made.metadata.generation);
    const stays = await client.delete(HSM_SECRETS, { namespace, name: "db" });
    if (stays === undefined) throw new Error("it is gone");
    expect(stays.metadata.deletionTimestamp).toBeDefined();
    await removeFinalizer(client, HSM_SECRETS, stays, "hsm.j5t.io/sync");
    expect(await client.find(HSM_SECRETS, { namespace, name: "db" })).toBeUndefined();
    expect(await removeFinalizer(client, HSM_SECRETS, stays, "hsm.j5t.io/sync")).toBeUndefined();
  });

  it("writes events that the API server takes, and counts equal ones", async () => {
    const regarding = await create("db");
    const recorder = createEventRecorder({
      client,
      controller: "hsm.j5t.io/manager",
      instance: "test",
      namespace,
    });
    const event = {
      regarding,
      type: "Normal",
      reason: "Synced",
      action: "WriteSecret",
      note: "In sync.",
    } as const;
    recorder.record(event);
    await recorder.flush();
    for (let i = 0; i < 4; i += 1) recorder.record(event);
    await recorder.close();
    const { items } = await client.list(EVENTS, { namespace });
    expect(items).toMatchObject([{ reason: "Synced", note: "In sync.", series: { count: 5 } }]);
  });

  it("elects one of two, and the other once it left", async () => {
    const terms = new Journal<string>();
    const candidates = ["a", "b"].map((identity) => {
      const leave = new AbortController();
      const times = { leaseDuration: 3000, renewDeadline: 2000, retryPeriod: 100 };
      const elector = createLeaderElector({ client, namespace, name: "manager", identity, ...times });
      const done = elector.run(leave.signal, async (fence) => {
        terms.add(identity);
        await new Promise((resolve) => fence.addEventListener("abort", resolve, { once: true }));
      });
      return { identity, leave, done };
    });
    const first = await terms.until(() => true);
    const leader = candidates.find(({ identity }) => identity === first);
    leader?.leave.abort();
    await leader?.done;
    const second = await terms.until((identity) => identity !== first);
    expect(await client.get(LEASES, { namespace, name: "manager" })).toMatchObject({
      spec: { holderIdentity: second, leaseTransitions: 1 },
    });
    for (const { leave, done } of candidates) {
      leave.abort();
      await done;
    }
  });
});
