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

interface Reply {
  readonly status: number;
  readonly revision: number;
  readonly names: readonly string[];
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
          const value = JSON.parse(text) as {
            metadata: { resourceVersion: string };
            items?: { metadata: { name: string } }[];
          };
          resolve({
            status: response.statusCode ?? 0,
            revision: Number(value.metadata.resourceVersion),
            names: (value.items ?? []).map((item) => item.metadata.name),
          });
        } catch (error) {
          reject(error); // Half an answer is no acknowledgement.
        }
      });
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

export interface KillReport {
  readonly kills: number;
  readonly acknowledged: number;
  readonly missing: readonly string[];
  readonly revisionsWentBack: number;
}

/** Kills the server `kills` times, each after its writers had some acknowledgements. */
export async function killUnderWriters(
  program: keyof typeof PROGRAMS,
  kills: number,
  writers: number,
): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), "apiserver-kill-"));
  const acknowledged = new Set<string>();
  let highest = 0;
  let revisionsWentBack = 0;
  try {
    for (let round = 0; round <= kills; round += 1) {
      const server = await start(program, folder);
      const agent = new Agent({ ca: server.ca, keepAlive: true, maxSockets: writers });
      const exited = once(server.child, "exit");
      const { names, revision } = await call(server, agent, "GET", "/api/v1/namespaces/default/secrets");
      const missing = [...acknowledged].filter((name) => !names.includes(name));
      if (revision < highest) revisionsWentBack += 1;
      if (missing.length > 0 || round === kills) {
        server.child.kill("SIGTERM");
        await exited;
        agent.destroy();
        return { kills: round, acknowledged: acknowledged.size, missing, revisionsWentBack };
      }
      const enough = acknowledged.size + 10 + ((round * 37) % 100);
      let running = true;
      const writer = async (id: number): Promise<void> => {
        for (let count = 0; running; count += 1) {
          const name = `r${round}-w${id}-${count}`;
          try {
            const body = { metadata: { name }, stringData: { value: name.repeat(20) } };
            const reply = await call(server, agent, "POST", "/api/v1/namespaces/default/secrets", body);
            if (reply.status !== 201) throw new Error(`create answered ${reply.status}`);
            acknowledged.add(name);
            highest = Math.max(highest, reply.revision);
            if (acknowledged.size >= enough && running) {
              running = false;
              server.child.kill("SIGKILL");
            }
          } catch {
            running = false;
          }
        }
      };
      await Promise.all(Array.from({ length: writers }, (_, id) => writer(id)));
      await exited;
      agent.destroy();
    }
    throw new Error("unreachable");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
