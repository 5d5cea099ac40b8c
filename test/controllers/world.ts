/** A manager's HSMSecret controller in process, on the embedded API server and a pool over a token in memory. */

import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";
import { createHsmSecretController } from "../../src/controllers/hsmsecret/controller.ts";
import { HSM_SECRETS, type HsmSecretObject } from "../../src/controllers/hsmsecret/resource.ts";
import type { HsmClient } from "../../src/hsm/client.ts";
import { createMockClient } from "../../src/hsm/mock/mock-client.ts";
import { buildRecord, buildTombstone, type Current } from "../../src/hsm/record/build.ts";
import type { SecretKey } from "../../src/hsm/record/record.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createEventRecorder } from "../../src/kube/events.ts";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import type { KubeObject, Resource } from "../../src/kube/object.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, SECRETS, type Secret } from "../../src/kube/resources.ts";
import { createPoolStore } from "../../src/pool/create.ts";
import { silentLogger } from "../../src/telemetry/log.ts";

const READS = new Set(["get", "list", "watch"]);
const CHECKSUM_KEY = Buffer.alloc(32, 7);

export interface World {
  /** For what people do; not counted. */
  readonly people: KubeClient;
  readonly token: HsmClient;
  /** Writes of the controller to the API server, events left out: `patch secrets`. */
  readonly writes: string[];
  /** Reconciles that have ended. */
  readonly reconciles: () => number;
  namespace(name: string): Promise<void>;
  hsmSecret(namespace: string, name: string, spec?: object): Promise<HsmSecretObject>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  /** Another program writes to the token; `null` deletes. */
  writeToken(path: string, data: Readonly<Record<string, string>> | null): Promise<void>;
  readToken(path: string): Promise<Readonly<Record<string, string>> | "absent" | "deleted">;
  /** Awaits a state of an object. */
  until<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    holds: (object: T | undefined) => boolean,
  ): Promise<T | undefined>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function createWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "controllers-"));
  const server: ApiServer = await createApiServer({ listen: { host: "127.0.0.1", port: 0 } });
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, server.kubeconfig());
  const connection = await connectionFromKubeconfig({ files: [kubeconfig] });
  const people = createKubeClient(connection, { userAgent: "people/1", fieldManager: "people" });
  for (const plural of ["hsmsecrets", "hsmdevices", "hsmpools"]) {
    const text = await readFile(new URL(`../../crds/${plural}.yaml`, import.meta.url), "utf8");
    await people.create(CUSTOM_RESOURCE_DEFINITIONS, parse(text));
  }
  const pool = { id: "ab".repeat(16), members: ["MOCK1"], checksumKey: CHECKSUM_KEY };
  const token = await createMockClient({ serialNumber: "MOCK1", pool });
  const writes: string[] = [];
  let reconciles = 0;
  let stop: () => Promise<void> = start();

  function start(): () => Promise<void> {
    const client = createKubeClient(connection, {
      userAgent: "manager/1",
      fieldManager: "hsm-secrets-operator",
      onRequest: ({ verb, resource }) => {
        if (!READS.has(verb) && resource !== "events") writes.push(`${verb} ${resource}`);
      },
    });
    // The store closes its clients; the token itself goes on, as hardware does.
    const borrowed = new Proxy(token, {
      get(target, name) {
        if (name === "close") return async () => {};
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const store = createPoolStore({
      devices: [{ name: "demo", agents: [{ serialNumber: "MOCK1", client: borrowed }] }],
      checksumKey: CHECKSUM_KEY,
    });
    const events = createEventRecorder({
      client,
      controller: "hsm.j5t.io/manager",
      instance: "test",
      namespace: "hsm-system",
    });
    const controller = createHsmSecretController({
      client,
      store,
      events,
      operatorNamespace: "hsm-system",
      devices: ["demo"],
      workers: 2,
      logger: silentLogger,
      onReconciled: () => {
        reconciles += 1;
      },
    });
    const ended = new AbortController();
    const running = controller.run(ended.signal);
    return async () => {
      ended.abort();
      await running;
      await events.close();
      await store.close();
      await client.close();
    };
  }

  return {
    people,
    token,
    writes,
    reconciles: () => reconciles,
    async namespace(name) {
      await people.create(NAMESPACES, { metadata: { name } });
    },
    hsmSecret: (namespace, name, spec = {}) =>
      people.create(HSM_SECRETS, { metadata: { namespace, name }, spec: { ...spec } }),
    secret: (namespace, name) => people.find(SECRETS, { namespace, name }),
    async writeToken(path, data) {
      const read = await token.read(path);
      const current: Current = read.state === "absent" ? undefined : read.record;
      const context = {
        pool: Buffer.from(pool.id, "hex"),
        device: "MOCK1",
        writer: "somebody",
        now: () => new Date(),
        randomBytes,
      };
      const keys = Object.entries(data ?? {}).map(([name, value]): SecretKey => [name, Buffer.from(value)]);
      const { bytes } =
        data === null
          ? buildTombstone({ path, current }, context)
          : buildRecord({ path, current, keys }, context);
      const [result] = await token.write([{ path, record: bytes, expect: { kind: "any" } }]);
      if (result?.status !== "written") throw new Error(`The token was not written: ${result?.status}`);
    },
    async readToken(path) {
      const read = await token.read(path);
      if (read.state === "absent") return "absent";
      if (read.record.deleted) return "deleted";
      return Object.fromEntries(
        read.record.keys.map(([name, value]) => [name, Buffer.from(value).toString()]),
      );
    },
    async until(resource, namespace, name, holds) {
      const ended = new AbortController();
      try {
        const seen = await people.find(resource, { namespace, name });
        if (holds(seen)) return seen;
        const resourceVersion = seen?.metadata.resourceVersion;
        const watch = people.watch(resource, {
          namespace,
          fieldSelector: `metadata.name=${name}`,
          signal: ended.signal,
          ...(resourceVersion === undefined ? {} : { resourceVersion }),
        });
        for await (const event of watch) {
          if (event.type === "BOOKMARK") continue;
          const object = event.type === "DELETED" ? undefined : event.object;
          if (holds(object)) return object;
        }
        throw new Error(`The watch of ${name} ended.`);
      } finally {
        ended.abort();
      }
    },
    async restart() {
      await stop();
      stop = start();
    },
    async close() {
      await stop();
      await people.close();
      await server.close();
      await token.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function decoded(secret: Secret | undefined): Readonly<Record<string, string>> | undefined {
  if (secret === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(secret.data ?? {}).map(([name, value]) => [name, Buffer.from(value, "base64").toString()]),
  );
}
