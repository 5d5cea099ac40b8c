/** What local mode puts into its API server before the operator starts: the kinds, its namespace, its device. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { KubeClient } from "../kube/client.ts";
import { type Clock, sleep } from "../kube/clock.ts";
import { KubeError } from "../kube/error.ts";
import type { KubeObject, Resource } from "../kube/object.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, type Secret } from "../kube/resources.ts";
import { DEVICE_NAME, OPERATOR_NAMESPACE, PROJECT } from "./commands.ts";
import { type LocalToken, TOKEN_LABEL } from "./token.ts";

export interface HsmSecret extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>> | undefined;
  readonly status?:
    | {
        readonly syncStatus?: string | undefined;
        readonly hsmGeneration?: number | undefined;
        readonly lastError?: string | undefined;
        readonly conditions?: readonly {
          readonly type: string;
          readonly status: string;
          readonly reason: string;
        }[];
      }
    | undefined;
}

export const HSM_SECRETS: Resource<HsmSecret> = {
  group: "hsm.j5t.io",
  version: "v1alpha1",
  plural: "hsmsecrets",
  kind: "HSMSecret",
  namespaced: true,
};

const HSM_DEVICES: Resource = { ...HSM_SECRETS, plural: "hsmdevices", kind: "HSMDevice" };

/** Written by this name, so that kubectl shows whose fields these are. */
export const FIELD_MANAGER = "hsm-secrets-operator-local";
const POLL = 25;

/** The CRDs of the project; resolves when the API server serves their kinds. */
export async function applyKinds(client: KubeClient, clock: Clock, signal: AbortSignal): Promise<number> {
  const folder = join(PROJECT, "crds");
  const files = (await readdir(folder)).filter((name) => name.endsWith(".yaml")).sort();
  for (const file of files) {
    const body: unknown = parse(await readFile(join(folder, file), "utf8"));
    const { name } = (body as KubeObject).metadata;
    await apply(client, CUSTOM_RESOURCE_DEFINITIONS, { name }, body);
  }
  for (const resource of [HSM_SECRETS, HSM_DEVICES]) await untilServed(client, resource, clock, signal);
  return files.length;
}

async function untilServed(
  client: KubeClient,
  resource: Resource,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      await client.list(resource, { limit: 1, signal });
      return;
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 404) throw error;
    }
    await sleep(clock, POLL, signal);
  }
}

export async function applyNamespace(client: KubeClient, name: string): Promise<void> {
  await apply(client, NAMESPACES, { name }, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
}

/** The HSMDevice that stands for the token. Its path is made up: there is no hardware to discover. */
export async function applyDevice(client: KubeClient, token: LocalToken): Promise<void> {
  const ref = { namespace: OPERATOR_NAMESPACE, name: DEVICE_NAME };
  await apply(client, HSM_DEVICES, ref, {
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMDevice",
    metadata: ref,
    spec: {
      deviceType: "SoftHSM",
      discovery: { devicePath: { path: `/softhsm/${token.serialNumber}` } },
      pkcs11: { libraryPath: token.module, tokenLabel: TOKEN_LABEL },
    },
  });
}

async function apply(
  client: KubeClient,
  resource: Resource,
  ref: { readonly namespace?: string; readonly name: string },
  body: unknown,
): Promise<void> {
  await client.patch(resource, ref, { type: "apply", body, force: true }, { fieldManager: FIELD_MANAGER });
}

export async function createHsmSecret(
  client: KubeClient,
  ref: { readonly namespace: string; readonly name: string },
  spec: Readonly<Record<string, unknown>> = {},
): Promise<HsmSecret> {
  return client.create(HSM_SECRETS, { metadata: ref, spec });
}

/** Keys and values of a Secret, decoded. */
export function dataOf(secret: Secret | undefined): Readonly<Record<string, string>> | undefined {
  if (secret === undefined) return undefined;
  const entries = Object.entries(secret.data ?? {});
  return Object.fromEntries(
    entries.map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );
}

export type TextData = Readonly<Record<string, string>>;

export function sameData(a: TextData | undefined, b: TextData | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
  );
}

/** Watches until the test accepts the object (or its absence); rejects with the signal's reason. */
export async function untilObject<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  ref: { readonly namespace: string; readonly name: string },
  accepts: (object: T | undefined) => boolean,
  signal: AbortSignal,
): Promise<T | undefined> {
  const { namespace, name } = ref;
  const fieldSelector = `metadata.name=${name}`;
  for (;;) {
    const page = await client.list(resource, { namespace, fieldSelector, signal });
    if (accepts(page.items[0])) return page.items[0];
    const { resourceVersion } = page;
    try {
      for await (const event of client.watch(resource, {
        namespace,
        fieldSelector,
        resourceVersion,
        signal,
      })) {
        if (event.type === "BOOKMARK") continue;
        const object = event.type === "DELETED" ? undefined : event.object;
        if (accepts(object)) return object;
      }
    } catch (error) {
      // A watch may break or expire at any time: list again.
      if (!(error instanceof KubeError)) throw error;
    }
    signal.throwIfAborted();
  }
}
