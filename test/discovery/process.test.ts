// Discovery as a process: flags, exit codes, a simulated sysfs tree and /dev, health, SIGTERM, memory.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type ApiServer, createApiServer } from "../../src/apiserver/server.ts";
import { ANNOTATION_DEVICE_REPORT, parseDeviceReports } from "../../src/crd/device-report.ts";
import { HSM_DEVICES } from "../../src/discovery/resource.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, NODES, PODS } from "../../src/kube/resources.ts";

const program = fileURLToPath(new URL("../../dist/bin/discovery.js", import.meta.url));
const SOON = { timeout: 20_000, interval: 25 };
const pod = { namespace: "hsm-system", name: "d1" };
let folder: string;
let server: ApiServer;
let people: KubeClient;
let kubeconfig: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  if (!existsSync(program)) throw new Error("dist/ is missing: node scripts/setup.mjs builds it.");
  folder = await mkdtemp(join(tmpdir(), "discovery-"));
  server = await createApiServer({ listen: { host: "127.0.0.1", port: 0 } });
  kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, server.kubeconfig());
  people = createKubeClient(await connectionFromKubeconfig({ files: [kubeconfig] }), {
    userAgent: "people/1",
    fieldManager: "people",
  });
  const text = await readFile(new URL("../../crds/hsmdevices.yaml", import.meta.url), "utf8");
  await people.create(CUSTOM_RESOURCE_DEFINITIONS, parse(text));
  await people.create(NAMESPACES, { metadata: { name: "hsm-system" } });
  await people.create(NODES, { metadata: { name: "n1" } });
  await people.create(PODS, {
    metadata: pod,
    spec: { nodeName: "n1", containers: [{ name: "discovery", image: "discovery" }] },
  } as never);
});

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await people.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

function start(args: readonly string[]) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] },
  });
  children.add(child);
  const run = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    run.out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    run.err += chunk.toString();
  });
  const ended = new Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>(
    (resolve) => {
      child.on("close", (code) => {
        children.delete(child);
        resolve({ code, ...run });
      });
    },
  );
  return { child, run, ended };
}

const needed = ["--node-name", "n1", "--pod-name", pod.name, "--pod-namespace", pod.namespace];

describe("bad input: one sentence and exit code 2", () => {
  it.each([
    [["--colour"], "Unknown option '--colour'."],
    [[], "--node-name is needed."],
    [["--node-name", "n1", "--pod-name", "p"], "--pod-namespace is needed."],
    [[...needed, "--sysfs-root", "sys"], "It must be an absolute path."],
    [[...needed, "--heartbeat", "1"], "It must be a whole number of seconds from 10 to 360."],
    [[...needed, "--health-address", "8081"], "It must be host:port, e.g. 0.0.0.0:8081."],
    [[...needed, "--kubeconfig", "/nowhere"], "The API server is not known"],
  ])("%j", async (args, words) => {
    const { code, out, err } = await start(args).ended;
    expect({ code, out, lines: err.trimEnd().split("\n").length }).toEqual({ code: 2, out: "", lines: 1 });
    expect(err).toContain(words);
  });
});

it("--help names the flags, the variables and the exit codes", async () => {
  const { code, out } = await start(["--help"]).ended;
  expect(code).toBe(0);
  for (const words of ["--sysfs-root", "--dev-root", "env: NODE_NAME", "Exit codes:"])
    expect(out).toContain(words);
});

async function plug(name: string, device: number, serial: string): Promise<void> {
  const sys = join(folder, "sys");
  const place = join(sys, "devices", "pci0", "usb1", name);
  await mkdir(place, { recursive: true });
  const files = {
    idVendor: "20a0",
    idProduct: "4230",
    serial,
    busnum: "1",
    devnum: `${device}`,
    manufacturer: "Pol Henarejos",
    product: "Pico HSM",
    bDeviceClass: "00",
    speed: "12",
  };
  for (const [file, text] of Object.entries(files)) await writeFile(join(place, file), `${text}\n`);
  await mkdir(join(sys, "bus", "usb", "devices"), { recursive: true });
  await symlink(`../../../devices/pci0/usb1/${name}`, join(sys, "bus", "usb", "devices", name));
}

const unplug = (name: string) => rm(join(folder, "sys", "bus", "usb", "devices", name));

it("finds what a simulated sysfs and /dev hold, is ready once it has reported, and ends well on SIGTERM", async () => {
  await plug("1-1", 4, "DENK0100001");
  await mkdir(join(folder, "dev"));
  await symlink("/dev/null", join(folder, "dev", "ttyUSB0"));
  const spec = { deviceType: "PicoHSM", discovery: { autoDiscovery: true } };
  const paths = { deviceType: "Generic", discovery: { devicePath: { path: "/dev/ttyUSB*" } } };
  await people.create(HSM_DEVICES, { metadata: { namespace: pod.namespace, name: "pico" }, spec });
  await people.create(HSM_DEVICES, { metadata: { namespace: pod.namespace, name: "tty" }, spec: paths });
  const { child, run, ended } = start([
    ...needed,
    ...["--kubeconfig", kubeconfig, "--health-address", "127.0.0.1:0"],
    ...["--sysfs-root", join(folder, "sys"), "--dev-root", join(folder, "dev")],
  ]);
  const told = async () => {
    const text = (await people.get(PODS, pod)).metadata.annotations?.[ANNOTATION_DEVICE_REPORT];
    const parsed = text === undefined ? undefined : parseDeviceReports(text);
    return parsed?.ok === true
      ? parsed.reports.flatMap(({ discoveredDevices }) =>
          discoveredDevices.map((device) => `${device.devicePath} ${device.serialNumber ?? "-"}`),
        )
      : [];
  };
  await expect.poll(told, SOON).toEqual(["/dev/bus/usb/001/004 DENK0100001", "/dev/ttyUSB0 -"]);
  const port = /"healthPort":(\d+)/.exec(run.err)?.[1];
  const page = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
  expect([await page("/livez"), await page("/readyz"), await page("/x")]).toEqual([200, 200, 404]);

  // A new node in /dev is seen by itself, and the look that it causes finds the new stick too.
  await plug("1-2", 5, "DENK0100002");
  await symlink("/dev/zero", join(folder, "dev", "ttyUSB1"));
  await expect.poll(told, SOON).toContain("/dev/ttyUSB1 -");
  await unplug("1-1");
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  const rss = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  const shared = Number(/RssFile:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  console.log(
    `discovery: ${rss.toFixed(1)} MiB resident, ${shared.toFixed(1)} of them files (Node ${process.version})`,
  );
  const maps = await readFile(`/proc/${child.pid}/maps`, "utf8");
  expect(maps).not.toMatch(/pkcs11|softhsm|pcsclite/i);
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
  expect(run.err).not.toContain('"level":"error"');
}, 60_000);
