/**
 * Kubeconfig files. Those with tokens, certificates or a password are read here; those with exec or auth-provider
 * plugins go through @kubernetes/client-node, which is loaded for them alone: it costs 0.8 s and 90 MB.
 */

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { parse, YAMLParseError } from "yaml";
import { type Clock, systemClock } from "./clock.ts";
import { type Connection, inClusterConnection, RenewedFile, type TlsMaterial } from "./connection.ts";

/** A kubeconfig that cannot be used. The message names the file and what is missing. */
export class KubeconfigError extends Error {
  override readonly name = "KubeconfigError";
  readonly code = "KUBECONFIG_INVALID";
}

export interface KubeconfigOptions {
  /** Several are merged as kubectl does: the first that names a thing wins. */
  readonly files: readonly string[];
  /** Instead of `current-context`. */
  readonly context?: string | undefined;
  readonly clock?: Clock | undefined;
}

interface Named {
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** Folder of the file that named it: relative paths start there. */
  readonly folder: string;
}

/**
 * The connection of a program: a kubeconfig when one is named (flag, then `KUBECONFIG`), else the pod's service
 * account, else `~/.kube/config`.
 */
export async function findConnection(
  options: {
    readonly kubeconfig?: string | undefined;
    readonly context?: string | undefined;
    readonly environment?: Readonly<Record<string, string | undefined>>;
    readonly clock?: Clock | undefined;
  } = {},
): Promise<Connection> {
  const { environment = process.env, context, clock = systemClock } = options;
  const named = options.kubeconfig ?? environment["KUBECONFIG"];
  if (named !== undefined && named !== "") {
    return connectionFromKubeconfig({ files: named.split(delimiter).filter(Boolean), context, clock });
  }
  const inCluster = await inClusterConnection({ environment, clock });
  if (inCluster !== undefined) return inCluster;
  const home = environment["HOME"] ?? homedir();
  return connectionFromKubeconfig({ files: [join(home, ".kube", "config")], context, clock });
}

export async function connectionFromKubeconfig(options: KubeconfigOptions): Promise<Connection> {
  const config = await load(options.files);
  const contextName = options.context ?? config.currentContext;
  const where = options.files.join(delimiter);
  if (contextName === undefined) throw new KubeconfigError(`${where} has no current-context.`);
  const context = find(config.contexts, contextName, "context", where).value;
  const cluster = find(config.clusters, textOf(context, "cluster") ?? "", "cluster", where);
  const userName = textOf(context, "user");
  const user =
    userName === undefined
      ? { name: "", value: {}, folder: "." }
      : find(config.users, userName, "user", where);
  const server = textOf(cluster.value, "server");
  if (server === undefined || !URL.canParse(server)) {
    throw new KubeconfigError(`The cluster ${cluster.name} in ${where} has no lawful server.`);
  }
  const namespace = textOf(context, "namespace") ?? "default";
  const clock = options.clock ?? systemClock;
  const needsPlugin = user.value["exec"] !== undefined || user.value["auth-provider"] !== undefined;
  const identity = needsPlugin
    ? await pluginIdentity(options.files, contextName)
    : plainIdentity(user, clock);
  const ca = material(cluster, "certificate-authority", clock);
  const serverName = textOf(cluster.value, "tls-server-name");
  const skipVerify = cluster.value["insecure-skip-tls-verify"] === true;
  return {
    server,
    namespace,
    async tls() {
      const authority = await ca();
      return { ...(await identity.tls()), ca: authority, serverName, skipVerify };
    },
    authorization: identity.authorization,
  };
}

type Identity = {
  tls(): Promise<Pick<TlsMaterial, "cert" | "key">>;
  authorization: Connection["authorization"];
};

function plainIdentity(user: Named, clock: Clock): Identity {
  const { value, folder } = user;
  const cert = material(user, "client-certificate", clock);
  const key = material(user, "client-key", clock);
  const tls = async () => ({ cert: await cert(), key: await key() });
  const tokenFile = textOf(value, "tokenFile");
  if (tokenFile !== undefined) {
    const file = new RenewedFile(absolute(tokenFile, folder), clock);
    return {
      tls,
      authorization: async ({ refused = false } = {}) =>
        `Bearer ${(await file.text({ fresh: refused })).trim()}`,
    };
  }
  const token = textOf(value, "token");
  const username = textOf(value, "username");
  const basic = `${username ?? ""}:${textOf(value, "password") ?? ""}`;
  const fixed =
    token !== undefined
      ? `Bearer ${token}`
      : username !== undefined
        ? `Basic ${Buffer.from(basic).toString("base64")}`
        : undefined;
  return { tls, authorization: async () => fixed };
}

/** Runs exec and OIDC plugins as kubectl does, and keeps their answers until they end. */
async function pluginIdentity(files: readonly string[], contextName: string): Promise<Identity> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  for (const [index, file] of files.entries()) {
    if (index === 0) {
      config.loadFromFile(file);
    } else {
      const more = new KubeConfig();
      more.loadFromFile(file);
      config.mergeConfig(more, true);
    }
  }
  config.setCurrentContext(contextName);
  const apply = async () => {
    const options: { headers?: Record<string, string>; cert?: unknown; key?: unknown } = { headers: {} };
    await config.applyToHTTPSOptions(options);
    return options;
  };
  const pem = (value: unknown) =>
    typeof value === "string" || Buffer.isBuffer(value) ? value.toString() : undefined;
  return {
    async tls() {
      const options = await apply();
      return { cert: pem(options.cert), key: pem(options.key) };
    },
    async authorization() {
      const { headers = {} } = await apply();
      return headers["Authorization"] ?? headers["authorization"];
    },
  };
}

interface LoadedConfig {
  readonly currentContext: string | undefined;
  readonly clusters: readonly Named[];
  readonly contexts: readonly Named[];
  readonly users: readonly Named[];
}

async function load(files: readonly string[]): Promise<LoadedConfig> {
  const loaded = await Promise.all(files.map(loadOne));
  return {
    currentContext: loaded.map((config) => config.currentContext).find((name) => name !== undefined),
    clusters: loaded.flatMap((config) => config.clusters),
    contexts: loaded.flatMap((config) => config.contexts),
    users: loaded.flatMap((config) => config.users),
  };
}

async function loadOne(file: string): Promise<LoadedConfig> {
  let document: unknown;
  try {
    document = parse(await readFile(file, "utf8"));
  } catch (error) {
    const reason = error instanceof YAMLParseError ? "it is not YAML" : codeOf(error);
    throw new KubeconfigError(`The kubeconfig ${file} cannot be read: ${reason}.`, { cause: error });
  }
  if (!isRecord(document)) throw new KubeconfigError(`The kubeconfig ${file} is empty.`);
  const folder = dirname(file);
  const named = (list: string, inner: string): readonly Named[] => {
    const items: unknown = document[list];
    if (!Array.isArray(items)) return [];
    return items.filter(isRecord).map((item) => {
      const value = item[inner];
      return { name: textOf(item, "name") ?? "", value: isRecord(value) ? value : {}, folder };
    });
  };
  return {
    currentContext: textOf(document, "current-context"),
    clusters: named("clusters", "cluster"),
    contexts: named("contexts", "context"),
    users: named("users", "user"),
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

function find(items: readonly Named[], name: string, kind: string, where: string): Named {
  const item = items.find((candidate) => candidate.name === name);
  if (item === undefined) throw new KubeconfigError(`${where} has no ${kind} ${JSON.stringify(name)}.`);
  return item;
}

/** PEM from `<name>-data` (base64), or from the file that `<name>` names. */
function material(owner: Named, name: string, clock: Clock): () => Promise<string | undefined> {
  const data = textOf(owner.value, `${name}-data`);
  if (data !== undefined) {
    const pem = Buffer.from(data, "base64").toString("utf8");
    return async () => pem;
  }
  const path = textOf(owner.value, name);
  if (path === undefined) return async () => undefined;
  const file = new RenewedFile(absolute(path, owner.folder), clock);
  return () => file.text();
}

function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function textOf(value: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const text = value[name];
  return typeof text === "string" && text !== "" ? text : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
