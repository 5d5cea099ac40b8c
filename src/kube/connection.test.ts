import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../test/kube/manual-clock.ts";
import { makeServingCertificates } from "../apiserver/tls/certificates.ts";
import { inClusterConnection } from "./connection.ts";
import { createKubeClient } from "./http-client.ts";
import { connectionFromKubeconfig, findConnection, KubeconfigError } from "./kubeconfig.ts";

let folder: string;
let clock: ManualClock;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kube-connection-"));
  clock = new ManualClock();
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const file = (name: string) => join(folder, name);

async function serviceAccount(token: string, ca = "ca one"): Promise<void> {
  await writeFile(file("token"), `${token}\n`);
  await writeFile(file("ca.crt"), ca);
  await writeFile(file("namespace"), "hsm-system\n");
}

const environment = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };

describe("in a cluster", () => {
  it("takes server, namespace, authority and token from where the kubelet puts them", async () => {
    await serviceAccount("one");
    const connection = await inClusterConnection({ environment, folder, clock });
    expect([connection?.server, connection?.namespace]).toEqual(["https://10.0.0.1:443", "hsm-system"]);
    expect(await connection?.tls()).toEqual({ ca: "ca one" });
    expect(await connection?.authorization()).toBe("Bearer one");
  });

  it("brackets an IPv6 address, and is not there outside of a cluster", async () => {
    await serviceAccount("one");
    const six = { ...environment, KUBERNETES_SERVICE_HOST: "fd00::1" };
    expect((await inClusterConnection({ environment: six, folder }))?.server).toBe("https://[fd00::1]:443");
    expect(await inClusterConnection({ environment: {}, folder })).toBeUndefined();
  });

  it("takes a renewed token within seconds, and at once after a refusal", async () => {
    await serviceAccount("one");
    const connection = await inClusterConnection({ environment, folder, clock });
    await serviceAccount("two", "ca two");
    expect(await connection?.authorization()).toBe("Bearer one");
    expect(await connection?.authorization({ refused: true })).toBe("Bearer two");
    clock.advance(10_000);
    expect(await connection?.tls()).toEqual({ ca: "ca two" });
    await rm(file("token"));
    clock.advance(10_000);
    expect(await connection?.authorization()).toBe("Bearer two");
  });
});

describe("kubeconfig", () => {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const config = (user: string, cluster = "server: https://127.0.0.1:6443") => `
apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: c, user: u, namespace: shop}}
- {name: there, context: {cluster: c, user: other}}
clusters:
- name: c
  cluster: {${cluster}}
users:
- name: u
  user: {${user}}
`;

  async function connect(text: string, context?: string) {
    await writeFile(file("config"), text);
    return connectionFromKubeconfig({ files: [file("config")], context, clock });
  }

  it("reads tokens, passwords, certificates in it and beside it", async () => {
    const token = await connect(config("token: abc", "server: https://h:1, certificate-authority: ca.pem"));
    await writeFile(file("ca.pem"), "authority");
    expect([token.server, token.namespace]).toEqual(["https://h:1", "shop"]);
    expect(await token.authorization()).toBe("Bearer abc");
    expect((await token.tls()).ca).toBe("authority");
    const basic = await connect(config("username: u, password: 'p:w'"));
    expect(await basic.authorization()).toBe(`Basic ${base64("u:p:w")}`);
    const data = `client-certificate-data: ${base64("CERT")}, client-key-data: ${base64("KEY")}`;
    const certificate = await connect(
      config(data, `server: https://h:1, tls-server-name: api, certificate-authority-data: ${base64("CA")}`),
    );
    expect(await certificate.tls()).toMatchObject({ ca: "CA", cert: "CERT", key: "KEY", serverName: "api" });
    expect(await certificate.authorization()).toBeUndefined();
  });

  it("reads a token file anew as it ages", async () => {
    const connection = await connect(config("tokenFile: token"));
    await writeFile(file("token"), "one\n");
    expect(await connection.authorization()).toBe("Bearer one");
    await writeFile(file("token"), "two\n");
    clock.advance(10_000);
    expect(await connection.authorization()).toBe("Bearer two");
  });

  it("merges several files: the first that names a thing wins", async () => {
    await writeFile(file("a"), config("token: first"));
    await writeFile(file("b"), config("token: second").replace("- name: u", "- name: other"));
    const connection = await findConnection({ environment: { KUBECONFIG: `${file("a")}:${file("b")}` } });
    expect(await connection.authorization()).toBe("Bearer first");
    const there = await findConnection({
      kubeconfig: `${file("a")}:${file("b")}`,
      context: "there",
      environment: {},
    });
    expect([await there.authorization(), there.namespace]).toEqual(["Bearer second", "default"]);
  });

  it("runs exec plugins by the client library", async () => {
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "from-plugin" },
    };
    await writeFile(file("plugin.json"), JSON.stringify(credential));
    const exec = `exec: {apiVersion: client.authentication.k8s.io/v1, command: cat, args: ['${file("plugin.json")}'], interactiveMode: Never}`;
    const connection = await connect(config(exec));
    expect(await connection.authorization()).toBe("Bearer from-plugin");
  });

  for (const [what, text, message] of [
    [
      "no context of that name",
      config("token: a").replace("current-context: here", "current-context: x"),
      'context "x"',
    ],
    ["no user of that name", config("token: a").replace("- name: u", "- name: v"), 'user "u"'],
    ["a server that is no URL", config("token: a", "server: nowhere"), "no lawful server"],
    ["an empty file", "", "is empty"],
    ["something that is not YAML", "a: [", "not YAML"],
  ] as const) {
    it(`says in one sentence what is wrong: ${what}`, async () => {
      await expect(connect(text)).rejects.toThrow(KubeconfigError);
      await expect(connect(text)).rejects.toThrow(message);
    });
  }

  it("says that a named file is missing", async () => {
    await expect(connectionFromKubeconfig({ files: [file("nothing")] })).rejects.toThrow(/nothing.*ENOENT/);
  });
});

describe("TLS", () => {
  let server: Server;

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  async function serve(certificates: ReturnType<typeof makeServingCertificates>, port = 0): Promise<number> {
    const { server: leaf } = certificates;
    server = createServer({ cert: leaf.certificate, key: leaf.key }, (_request, answer) => {
      answer.setHeader("connection", "close");
      answer.end(JSON.stringify({ major: "1" }));
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  it("believes the given authority alone, and a rotated one without a restart", async () => {
    const first = makeServingCertificates(["127.0.0.1"], new Date());
    const second = makeServingCertificates(["127.0.0.1"], new Date());
    const port = await serve(first);
    await serviceAccount("t", first.authority.certificate);
    const connection = await inClusterConnection({
      environment: { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(port) },
      folder,
      clock,
    });
    if (connection === undefined) throw new Error("no connection");
    const client = createKubeClient(connection, { userAgent: "t", fieldManager: "t" });
    const version = () => client.raw({ method: "GET", path: "/version" });
    expect(await version()).toEqual({ major: "1" });
    server.closeAllConnections();
    server.close();
    await once(server, "close");
    await serve(second, port);
    await expect(version()).rejects.toThrow("cannot be reached");
    await serviceAccount("t", second.authority.certificate);
    clock.advance(10_000);
    expect(await version()).toEqual({ major: "1" });
    await client.close();
  });
});
