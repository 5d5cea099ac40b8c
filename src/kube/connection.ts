/** Where the API server is and how to prove who we are. Certificates and tokens are files that others renew. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "./clock.ts";

export interface TlsMaterial {
  /** PEM. Absent: the system's authorities. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly serverName?: string | undefined;
  readonly skipVerify?: boolean | undefined;
}

export interface Connection {
  /** E.g. `https://10.0.0.1:443`; may end in a path under which the API lies. */
  readonly server: string;
  /** The namespace that this identity lives in, or that the kubeconfig's context names. */
  readonly namespace: string;
  /** Asked for each new TCP connection. */
  tls(): Promise<TlsMaterial>;
  /** `Authorization` of the next request; `refused` after a 401, when what was given must not be given again. */
  authorization(options?: { readonly refused?: boolean }): Promise<string | undefined>;
}

/** A file that is read again once its content is older than this. The kubelet renews tokens well before they end. */
const FILE_AGE = 10_000;

/** Reads a file, and again when what it knows is older than ten seconds; keeps the old text when a read fails. */
export class RenewedFile {
  readonly #path: string;
  readonly #clock: Clock;
  #text: string | undefined;
  #readAt = 0;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  async text(options: { readonly fresh?: boolean } = {}): Promise<string> {
    const now = this.#clock.monotonic();
    if (this.#text !== undefined && options.fresh !== true && now - this.#readAt < FILE_AGE)
      return this.#text;
    try {
      this.#text = await readFile(this.#path, "utf8");
      this.#readAt = now;
    } catch (error) {
      if (this.#text === undefined) throw error;
    }
    return this.#text;
  }
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The connection that a pod has by its service account; `undefined` outside of a cluster. */
export async function inClusterConnection(
  options: {
    readonly environment?: Readonly<Record<string, string | undefined>>;
    readonly folder?: string;
    readonly clock?: Clock;
  } = {},
): Promise<Connection | undefined> {
  const { environment = process.env, folder = SERVICE_ACCOUNT, clock = systemClock } = options;
  const host = environment["KUBERNETES_SERVICE_HOST"];
  const port = environment["KUBERNETES_SERVICE_PORT"];
  if (host === undefined || host === "" || port === undefined || port === "") return undefined;
  const token = new RenewedFile(join(folder, "token"), clock);
  const ca = new RenewedFile(join(folder, "ca.crt"), clock);
  const namespace = (await readFile(join(folder, "namespace"), "utf8")).trim();
  await Promise.all([token.text(), ca.text()]); // A pod without its token should say so at the start.
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace,
    tls: async () => ({ ca: await ca.text() }),
    authorization: async ({ refused = false } = {}) =>
      `Bearer ${(await token.text({ fresh: refused })).trim()}`,
  };
}
