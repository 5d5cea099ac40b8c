// The manager as a process: flags, exit codes, the key of checksums, a mock device, SIGTERM.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";
import { HSM_SECRETS } from "../../src/controllers/hsmsecret/resource.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, SECRETS } from "../../src/kube/resources.ts";
import { decoded } from "./world.ts";

const program = new URL("../../src/bin/manager.ts", import.meta.url).pathname;
let folder: string;
let server: ApiServer;
let people: KubeClient;
let kubeconfig: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "manager-"));
  server = await createApiServer({ listen: { host: "127.0.0.1", port: 0 } });
  kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, server.kubeconfig());
  people = createKubeClient(await connectionFromKubeconfig({ files: [kubeconfig] }), {
    userAgent: "people/1",
    fieldManager: "people",
  });
  for (const plural of ["hsmsecrets", "hsmdevices"]) {
    const text = await readFile(new URL(`../../crds/${plural}.yaml`, import.meta.url), "utf8");
    await people.create(CUSTOM_RESOURCE_DEFINITIONS, parse(text));
  }
});

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await people.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, ["--import", "tsx", program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, KUBECONFIG: "" },
  });
  children.add(child);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => {
      children.delete(child);
      resolve({ code, out, err });
    });
  });
  return { child, ended };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("bad input", () => {
  it("an unknown flag: one sentence and exit code 2", async () => {
    const { code, err, out } = await start(["--colour"]).ended;
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toBe("manager: Unknown option '--colour'.\n");
  });

  it("prints its help and says what its exit codes mean", async () => {
    const { code, out } = await start(["--help"]).ended;
    expect(code).toBe(0);
    expect(out).toContain("--agents <path>");
    expect(out).toContain("Exit codes:");
  });

  it("names a missing operator namespace", async () => {
    const args = ["--client", "mock", "--kubeconfig", kubeconfig, "--namespace", "nowhere"];
    const { code, err } = await start(args).ended;
    expect(code).toBe(1);
    expect(err.trimEnd().split("\n").at(-1)).toContain("The operator's namespace nowhere does not exist");
  });
});

describe("with a mock device", () => {
  it("syncs, says that it is a mock, keeps the checksum key over a restart, and ends well on SIGTERM", async () => {
    await people.create(NAMESPACES, { metadata: { name: "hsm-system" } });
    await people.create(NAMESPACES, { metadata: { name: "shop" } });
    const health = await freePort();
    const args = ["--client", "mock", "--kubeconfig", kubeconfig, "--health-address", `127.0.0.1:${health}`];
    const readyz = async () => {
      const answer = await fetch(`http://127.0.0.1:${health}/readyz`).catch(() => undefined);
      return answer?.status === 200 ? answer.text() : undefined;
    };
    const first = start(args);
    await expect.poll(readyz, { timeout: 20_000 }).toContain("MOCK");
    await people.create(SECRETS, {
      metadata: { namespace: "shop", name: "db" },
      data: { a: Buffer.from("1").toString("base64") },
    });
    await people.create(HSM_SECRETS, { metadata: { namespace: "shop", name: "db" }, spec: { adopt: true } });
    const statusOf = async () => (await people.find(HSM_SECRETS, { namespace: "shop", name: "db" }))?.status;
    await expect.poll(async () => (await statusOf())?.syncStatus, { timeout: 10_000 }).toBe("InSync");
    const checksum = (await statusOf())?.hsmChecksum;
    const key = await people.get(SECRETS, { namespace: "hsm-system", name: "hsm-checksum-key" });
    first.child.kill("SIGTERM");
    const ended = await first.ended;
    expect(ended.code).toBe(0);
    expect(ended.err).toContain("MOCK: there is no hardware");
    expect(ended.err).not.toContain(Buffer.from("1").toString("base64"));

    const second = start(args);
    await expect.poll(readyz, { timeout: 20_000 }).toContain("MOCK");
    expect(await people.get(SECRETS, { namespace: "hsm-system", name: "hsm-checksum-key" })).toEqual(key);
    // The mock's token is new and empty: the Secret is the last copy and stays.
    await expect
      .poll(async () => (await statusOf())?.conditions?.find(({ type }) => type === "Synced")?.reason, {
        timeout: 10_000,
      })
      .toBe("HSMDataMissing");
    expect(decoded(await people.get(SECRETS, { namespace: "shop", name: "db" }))).toEqual({ a: "1" });
    expect((await statusOf())?.base?.checksum).toBe(checksum);
    second.child.kill("SIGTERM");
    expect((await second.ended).code).toBe(0);
  }, 60_000);
});
