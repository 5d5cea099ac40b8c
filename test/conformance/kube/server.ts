/** The server under test: the embedded one, or the one that a kubeconfig names. */

import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { parse as parseYaml } from "yaml";
import { createApiServer } from "../../../src/apiserver/server.ts";
import type { Answer } from "./compare.ts";

export interface Target {
  readonly url: string;
  readonly ca: string | undefined;
  readonly tokens: Readonly<Record<string, string>>;
  /** Kubeconfig text with the contexts `admin` (current) and `low`. */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

export async function embeddedTarget(options: { anonymous: boolean }): Promise<Target> {
  const server = await createApiServer({
    listen: { host: "127.0.0.1", port: 0 },
    rbac: true,
    anonymous: options.anonymous,
  });
  const low = server.tokenFor("low", ["team-a"]);
  return {
    url: server.url,
    ca: server.caCertificate,
    tokens: { admin: server.adminToken, low, bad: "nonsense" },
    kubeconfig: twoContexts(server.url, server.caCertificate, server.adminToken, low),
    close: () => server.close(),
  };
}

function twoContexts(url: string, ca: string, admin: string, low: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "c",
        cluster: { server: url, "certificate-authority-data": Buffer.from(ca).toString("base64") },
      },
    ],
    users: [
      { name: "admin", user: { token: admin } },
      { name: "low", user: { token: low } },
    ],
    contexts: ["admin", "low"].map((user) => ({ name: user, context: { cluster: "c", user } })),
    "current-context": "admin",
  });
}

interface KubeconfigFile {
  readonly "current-context": string;
  readonly clusters: readonly {
    name: string;
    cluster: { server: string; "certificate-authority-data"?: string };
  }[];
  readonly users: readonly { name: string; user: { token?: string } }[];
  readonly contexts: readonly { name: string; context: { cluster: string; user: string } }[];
}

/** A kubeconfig with token users; a user `low` of group team-a may stand beside the current one. */
export function kubeconfigTarget(file: string): Target {
  const text = readFileSync(file, "utf8");
  const config = parseYaml(text) as KubeconfigFile;
  const context = config.contexts.find(({ name }) => name === config["current-context"])?.context;
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster;
  const token = config.users.find(({ name }) => name === context?.user)?.user.token;
  if (cluster === undefined || token === undefined) {
    throw new Error(`${file}: the current context must name a cluster and a user with a token`);
  }
  const low = config.users.find(({ name }) => name === "low")?.user.token;
  const ca = cluster["certificate-authority-data"];
  return {
    url: cluster.server,
    ca: ca === undefined ? undefined : Buffer.from(ca, "base64").toString(),
    tokens: { admin: token, bad: "nonsense", ...(low === undefined ? {} : { low }) },
    kubeconfig: text,
    close: async () => {},
  };
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string | undefined;
}

export function send(target: Target, call: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = open(target, call);
    request.on("error", reject);
    request.on("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    request.end(call.body);
  });
}

function open(target: Target, call: Call) {
  return httpsRequest(new URL(call.path, target.url), {
    method: call.method,
    headers: Object.fromEntries(
      Object.entries(call.headers).map(([name, value]) => [
        name,
        typeof value === "string" ? value : [...value],
      ]),
    ),
    ...(target.ca === undefined ? {} : { ca: target.ca }),
    agent: false,
  });
}

/** A watch that is open: collects the lines of the stream. */
export interface OpenWatch {
  /** Waits until `count` lines came, the stream ended, or `milliseconds` passed. */
  read(count: number, milliseconds: number): Promise<readonly string[]>;
  readonly answer: Promise<Answer>;
  readonly ended: Promise<void>;
  close(): void;
}

export function watch(target: Target, call: Call): OpenWatch {
  const lines: string[] = [];
  let rest = "";
  let wake = (): void => {};
  let finish = (): void => {};
  let over = false;
  const ended = new Promise<void>((resolve) => {
    finish = () => {
      over = true;
      resolve();
      wake();
    };
  });
  const request = open(target, call);
  const answer = new Promise<Answer>((resolve, reject) => {
    request.on("error", (error) => {
      reject(error);
      finish();
    });
    request.on("response", (response) => {
      if (response.statusCode === 200) {
        resolve({ status: 200, headers: response.headers, text: "" });
      } else {
        ended.then(
          () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text: [...lines, rest].join("\n"),
            }),
          reject,
        );
      }
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        const split = (rest + part).split("\n");
        rest = split.pop() ?? "";
        lines.push(...split.filter((line) => line !== ""));
        wake();
      });
      response.on("close", finish);
    });
  });
  answer.catch(() => {}); // Reported where it is awaited.
  request.end(call.body);
  const read = async (count: number, milliseconds: number): Promise<readonly string[]> => {
    const deadline = Date.now() + milliseconds;
    while (lines.length < count && !over && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now());
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return lines;
  };
  return { read, answer, ended, close: () => request.destroy() };
}
