/** The embedded API server as a process of its own with a data directory, and what the kernel says of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

/** Built by the command that runs the benches: a loader in the process would count as its memory. */
const MAIN = fileURLToPath(new URL("../../dist/apiserver/main.js", import.meta.url));
/** Of /proc/PID/stat, a second (sysconf _SC_CLK_TCK is 100 on every Linux that Node runs on). */
const TICKS = 100;

export class ApiServerProcess {
  readonly url: string;
  readonly token: string;
  readonly ca: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  static async start(): Promise<ApiServerProcess> {
    const folder = await mkdtemp(join(tmpdir(), "apiserver-bench-"));
    const kubeconfig = join(folder, "kubeconfig");
    const args = ["--data-dir", join(folder, "data"), "--kubeconfig-out", kubeconfig];
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout });
    const [line] = (await once(lines, "line")) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const config = parse(await readFile(kubeconfig, "utf8")) as {
      clusters: [{ cluster: { "certificate-authority-data": string } }];
      users: [{ user: { token: string } }];
    };
    const ca = Buffer.from(config.clusters[0].cluster["certificate-authority-data"], "base64").toString();
    return new ApiServerProcess(child, folder, url, ca, config.users[0].user.token);
  }

  private constructor(child: ChildProcess, folder: string, url: string, ca: string, token: string) {
    this.#child = child;
    this.#folder = folder;
    this.url = url;
    this.ca = ca;
    this.token = token;
  }

  /** Microseconds of processor time, user and system. */
  async cpu(): Promise<number> {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, "utf8");
    // Fields are counted behind the name, which may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6;
  }

  /** MiB of resident memory. */
  async residentMemory(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
