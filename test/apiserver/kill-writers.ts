/** Writers against a server process that is killed: what was acknowledged must be there when it comes back. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const TSX = new URL("../../node_modules/tsx/dist/esm/index.mjs", import.meta.url).href;

/** Arguments of Node: from source, or as it was built, which starts in a third of the time. */
const PROGRAMS = {
  source: ["--import", TSX, fileURLToPath(new URL("../../src/apiserver/main.ts", import.meta.url))],
  built: [fileURLToPath(new URL("../../dist/apiserver/main.js", import.meta.url))],
} as const;

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly token: string;
  readonly ca: string;
}

async function start(program: keyof typeof PROGRAMS, folder: string): Promise<Running> {
  const kubeconfig = join(folder, "kubeconfig");
  const child = spawn(
    process.execPath,
    [...PROGRAMS[program], "--data-dir", join(folder, "data"), "--kubeconfig-out", kubeconfig],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (text: Buffer) => resolve(text.toString("utf8")));
    child.once("exit", (code) => reject(new Error(`the API server ended with ${code} before it was ready`)));
  });
  const { url } = JSON.parse(line) as { url: string };
  const config = parse(readFileSync(kubeconfig, "utf8")) as {
    clusters: [{ cluster: { "certificate-authority-data": string } }];
    users: [{ user: { token: string } }];
  };
  const ca = Buffer.from(config.clusters[0].cluster["certificate-authority-data"], "base64").toString("utf8");
  return { child, url, ca, token: config.users[0].user.token };
}

interface Secret {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data?: { readonly value: string };
}

interface Reply {
  readonly status: number;
  readonly body: Secret & { readonly items?: readonly Secret[] };
}

function call(server: Running, agent: Agent, method: string, path: string, body?: unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${server.url}${path}`, {
      method,
      agent,
      headers: {
        authorization: `Bearer ${server.token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
    });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      let text = "";
      response.on("error", reject);
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
        } catch (error) {
          reject(error); // Half an answer is no acknowledgement.
        }
      });
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** What is known of one Secret: its value, or that it is not there. */
type State = string | "absent";

/** What the writers were told, and what they asked for without being told. */
class Ledger {
  /** Name to the states in which it may be: one when the last write was acknowledged, two while one was not. */
  readonly #states = new Map<string, readonly State[]>();
  acknowledged = 0;
  highest = 0;

  asks(name: string, next: State): void {
    this.#states.set(name, [...(this.#states.get(name) ?? ["absent"]), next]);
  }

  acknowledges(name: string, state: State, revision: number): void {
    this.acknowledged += 1;
    this.highest = Math.max(this.highest, revision);
    this.#states.set(name, [state]);
  }

  /** Names that are not in a state in which they may be; what is found becomes what is known. */
  check(items: readonly Secret[]): string[] {
    const found = new Map(items.map(({ metadata, data }) => [metadata.name, data?.value ?? ""]));
    const lost: string[] = [];
    for (const [name, states] of this.#states) {
      const state = found.get(name) ?? "absent";
      if (!states.includes(state)) lost.push(name);
      this.#states.set(name, [state]);
    }
    return lost;
  }
}

export interface KillReport {
  readonly kills: number;
  readonly acknowledged: number;
  /** Secrets that are not as they were acknowledged. */
  readonly lost: readonly string[];
  readonly revisionsWentBack: number;
}

const SECRETS = "/api/v1/namespaces/default/secrets";

/** Creates a Secret, changes it, and removes every third again; each step is entered before and after it is taken. */
async function writeOne(server: Running, agent: Agent, ledger: Ledger, name: string, remove: boolean) {
  for (const [method, path, value] of [
    ["POST", SECRETS, "one"],
    ["PUT", `${SECRETS}/${name}`, "two"],
    ...(remove ? [["DELETE", `${SECRETS}/${name}`, "absent"] as const] : []),
  ] as const) {
    const data = { value: Buffer.from(`${name} ${value} `.repeat(10)).toString("base64") };
    const state = value === "absent" ? value : data.value;
    ledger.asks(name, state);
    const body = value === "absent" ? undefined : { metadata: { name }, data };
    const reply = await call(server, agent, method, path, body);
    if (reply.status >= 300) throw new Error(`${method} answered ${reply.status}`);
    ledger.acknowledges(name, state, Number(reply.body.metadata.resourceVersion ?? 0));
  }
}

/** Kills the server `kills` times, each after its writers had some acknowledgements. */
export async function killUnderWriters(
  program: keyof typeof PROGRAMS,
  kills: number,
  writers: number,
): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), "apiserver-kill-"));
  const ledger = new Ledger();
  let revisionsWentBack = 0;
  let server: Running | undefined;
  try {
    for (let round = 0; ; round += 1) {
      server = await start(program, folder);
      const { child } = server;
      const exited = once(child, "exit");
      const agent = new Agent({ ca: server.ca, keepAlive: true, maxSockets: writers });
      const { body } = await call(server, agent, "GET", SECRETS);
      const lost = ledger.check(body.items ?? []);
      if (Number(body.metadata.resourceVersion) < ledger.highest) revisionsWentBack += 1;
      if (lost.length > 0 || round === kills) {
        child.kill("SIGTERM");
        await exited;
        agent.destroy();
        return { kills: round, acknowledged: ledger.acknowledged, lost, revisionsWentBack };
      }
      const enough = ledger.acknowledged + 10 + ((round * 37) % 100);
      let running = true;
      let failure: unknown;
      const kill = (): void => {
        running = false;
        child.kill("SIGKILL");
      };
      const current = server;
      const writer = async (id: number): Promise<void> => {
        for (let count = 0; running; count += 1) {
          try {
            await writeOne(current, agent, ledger, `r${round}-w${id}-${count}`, count % 3 === 2);
          } catch (error) {
            // Once it was killed, nothing else is to be expected.
            if (running) failure = error;
            kill();
          }
          if (ledger.acknowledged >= enough) kill();
        }
      };
      await Promise.all(Array.from({ length: writers }, (_, id) => writer(id)));
      await exited;
      agent.destroy();
      if (failure !== undefined) throw failure;
    }
  } finally {
    if (server?.child.exitCode === null) server.child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}
