/** The embedded Kubernetes API server: everything put together behind one HTTPS port. */

import { randomUUID } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { stringify } from "yaml";
import { enforcePolicies } from "./admission/policies.ts";
import { Authenticator } from "./auth/authenticator.ts";
import { refuseEscalation } from "./auth/escalation.ts";
import { ServiceAccountTokens } from "./auth/service-account-tokens.ts";
import { TokenTable } from "./auth/tokens.ts";
import { Discovery, OPENAPI_VERSION } from "./catalog/discovery.ts";
import { issuerServer } from "./catalog/issuer.ts";
import { openApiServer } from "./catalog/openapi.ts";
import { openCredentials } from "./credentials.ts";
import type { Faults } from "./faults/faults.ts";
import { bootstrap } from "./housekeeping/bootstrap.ts";
import { startControllers } from "./housekeeping/controllers.ts";
import { createHandler } from "./http/handler.ts";
import { builtinResources } from "./resources/builtin.ts";
import { builtinCodec } from "./resources/builtin-codec.ts";
import { Registry } from "./resources/registry.ts";
import { methodNotAllowed } from "./status/status.ts";
import { Store } from "./storage/store.ts";
import type { Core } from "./verbs/core.ts";

export interface ApiServerOptions {
  /** Where objects, certificates and tokens are kept; without it, in memory only. */
  readonly dataDir?: string | undefined;
  readonly listen: { readonly host: string; readonly port: number };
  /** Enforce RBAC. Without it, every known user may do everything. */
  readonly rbac?: boolean | undefined;
  /** Requests without a token are the user system:anonymous (default) or refused with 401. */
  readonly anonymous?: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
  /** For tests: what shall go wrong. */
  readonly faults?: Faults | undefined;
  /** Told about failures inside the server; the default writes them to standard error. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface ApiServer {
  /** e.g. `https://127.0.0.1:41233` */
  readonly url: string;
  /** PEM text of the authority that signed the server's certificate. */
  readonly caCertificate: string;
  /** Token of `admin`, a member of system:masters. */
  readonly adminToken: string;
  /** A token for this user; the same one each time. */
  tokenFor(user: string, groups?: readonly string[]): string;
  /** A kubeconfig (YAML) for the admin, or for this user. */
  kubeconfig(user?: { readonly name: string; readonly groups?: readonly string[] }): string;
  /** Forgets past events: watches and lists of the past answer 410. */
  forgetHistory(): void;
  /** Rewrites the log with what lives. Watches and lists of the past go on, out of memory, as after a compaction of etcd. */
  compact(): Promise<void>;
  close(): Promise<void>;
}

const MASTERS = ["system:masters"];

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const now = options.now ?? Date.now;
  const onError = options.onError ?? ((error: unknown) => console.error("API server:", error));
  const { dataDir } = options;
  const credentials = openCredentials(dataDir, options.listen.host, new Date(now()));
  const store = new Store({ path: dataDir === undefined ? undefined : join(dataDir, "objects.log") });
  const registry = new Registry(builtinResources(builtinCodec));
  const accounts = new ServiceAccountTokens(store, now, credentials.signingKey, (pem) =>
    credentials.keepSigningKey(pem),
  );
  const admissions = options.rbac === true ? [refuseEscalation(store)] : [];
  const policies = [enforcePolicies(store, registry)];
  const core: Core = { store, registry, now, tokens: accounts, admissions, policies };
  const certificate = credentials.certificates.authority.certificate;
  bootstrap(core);
  const stopControllers = startControllers({ core, accounts, certificate, onError });

  const tokens = new TokenTable(credentials.tokens, (all) => credentials.keepTokens(all));
  const authenticator = new Authenticator(tokens, accounts, options.anonymous ?? true, now);
  const streams = new Set<() => void>();
  let address = "";
  const discovery = new Discovery(registry, () => address, [
    openApiServer(registry, OPENAPI_VERSION, now),
    issuerServer(accounts, () => address),
  ]);
  const rbac = options.rbac ?? false;
  const handlerOptions = { core, authenticator, discovery, rbac, onError, streams };
  const handler = createHandler(handlerOptions);
  const server = createServer(
    {
      key: credentials.certificates.server.key,
      cert: credentials.certificates.server.certificate,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["http/1.1"],
      keepAlive: true,
      noDelay: true,
    },
    options.faults?.attach({
      handler,
      store,
      handlerOver: (view) => createHandler({ ...handlerOptions, core: { ...core, store: view } }),
      stop: () => stop(),
      start: () => listen(port),
    }) ?? handler,
  );
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  server.on("clientError", refuseUnreadable);
  server.on("tlsClientError", () => {}); // A client that does not trust us has said so already.
  const listen = (at: number): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(at, options.listen.host, () => {
        server.off("error", reject);
        resolve();
      });
    });
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  await listen(options.listen.port);
  const { port } = server.address() as AddressInfo;
  const host = options.listen.host.includes(":") ? `[${options.listen.host}]` : options.listen.host;
  address = `${host}:${port}`;
  const url = `https://${address}`;
  const adminToken = tokens.tokenFor("admin", MASTERS);

  return {
    url,
    caCertificate: certificate,
    adminToken,
    tokenFor: (user, groups = []) => tokens.tokenFor(user, groups),
    kubeconfig: (user) =>
      kubeconfig(
        url,
        certificate,
        user?.name ?? "admin",
        user === undefined ? adminToken : tokens.tokenFor(user.name, user.groups ?? []),
      ),
    forgetHistory: () => store.forgetHistory(),
    compact: async () => {
      store.compact();
    },
    close: async () => {
      stopControllers();
      for (const end of [...streams]) end();
      await stop();
      store.close();
    },
  };
}

/** What Node's parser does not read as HTTP; unknown methods are among it. */
function refuseUnreadable(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  if (error.code !== "HPE_INVALID_METHOD") {
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    return;
  }
  const body = `${JSON.stringify(methodNotAllowed().toJson())}\n`;
  socket.end(
    [
      "HTTP/1.1 405 Method Not Allowed",
      `Audit-Id: ${randomUUID()}`,
      "Cache-Control: no-cache, private",
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(body)}`,
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}

function kubeconfig(url: string, certificate: string, user: string, token: string): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "embedded",
        cluster: { server: url, "certificate-authority-data": Buffer.from(certificate).toString("base64") },
      },
    ],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: "embedded", context: { cluster: "embedded", user } }],
    "current-context": "embedded",
  });
}
