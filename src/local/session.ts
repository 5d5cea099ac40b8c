/** One run of local mode: its programs started in order, stopped in the other, its state kept in one folder. */

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { request } from "undici";
import type { KubeClient } from "../kube/client.ts";
import { type Clock, type Random, systemClock } from "../kube/clock.ts";
import { createKubeClient } from "../kube/http-client.ts";
import { connectionFromKubeconfig } from "../kube/kubeconfig.ts";
import { provideCertificates } from "./certificates.ts";
import { applyDevice, applyKinds, applyNamespace, FIELD_MANAGER } from "./cluster.ts";
import {
  agentCommand,
  apiserverCommand,
  type CommandContext,
  DEVICE_NAME,
  managerCommand,
  OPERATOR_NAMESPACE,
} from "./commands.ts";
import { lockFolder } from "./lock.ts";
import type { LocalPaths } from "./paths.ts";
import { choosePorts, type Ports } from "./ports.ts";
import { endLeftover, Program, type ProgramState } from "./program.ts";
import { provideToken } from "./token.ts";

export interface SessionOptions {
  readonly paths: LocalPaths;
  /** Of agent and manager; `debug` names each step of a write. */
  readonly logLevel: string;
  /** A step of the start that is done, with its milliseconds. */
  readonly onStep: (text: string, milliseconds: number) => void;
  readonly onState?: ((program: ProgramName, state: ProgramState, detail: string) => void) | undefined;
  /** The agent serves, the manager has not started. */
  readonly onAgentReady?: (() => Promise<void>) | undefined;
  readonly onLine?: ((program: ProgramName, line: string) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

export type ProgramName = "apiserver" | "agent" | "manager";
const START_ORDER: readonly ProgramName[] = ["apiserver", "agent", "manager"];

export class LocalSession {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #programs = new Map<ProgramName, Program>();
  readonly #stopping = new AbortController();
  #unlock: (() => void) | undefined;
  #client: KubeClient | undefined;
  #context: CommandContext | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** The API server's client. */
  get client(): KubeClient {
    if (this.#client === undefined) throw new Error("Local mode has not started.");
    return this.#client;
  }

  get context(): CommandContext {
    if (this.#context === undefined) throw new Error("Local mode has not started.");
    return this.#context;
  }

  program(name: ProgramName): Program {
    const program = this.#programs.get(name);
    if (program === undefined) throw new Error(`The ${name} has not started.`);
    return program;
  }

  /** True when the token was made by this start: there is nothing on it yet. */
  get fresh(): boolean {
    return this.context.token.made;
  }

  /** Rejects with one sentence when something is missing or does not start; `stop` then still has to be called. */
  async start(): Promise<void> {
    const { paths } = this.#options;
    paths.make();
    this.#unlock = lockFolder(paths.lock, paths.folder);
    for (const name of [...START_ORDER].reverse()) {
      await this.#step(`ended the ${name} that an earlier run left behind`, () =>
        endLeftover(paths.pid(name), this.#clock),
      );
    }
    const token = await provideToken(paths);
    const ports = await choosePorts(paths.ports);
    const poolUid = keptText(join(paths.folder, "pool-uid"), randomUUID);
    await this.#step(token.made ? "made a SoftHSM2 token" : "kept the SoftHSM2 token", async () => {
      const identity = { serialNumber: token.serialNumber, poolUid };
      const certificates = await provideCertificates(paths, identity);
      this.#context = { paths, ports, token, certificates, poolUid, logLevel: this.#options.logLevel };
    });
    await this.#step("started the API server", () => this.#startApiServer(ports));
    await this.#step("applied the three kinds, the namespace and the HSMDevice", async () => {
      await applyKinds(this.client, this.#clock, this.#stopping.signal);
      await applyNamespace(this.client, OPERATOR_NAMESPACE);
      await applyDevice(this.client, token);
    });
    await this.#step("started the agent", () =>
      this.#launch(
        "agent",
        agentCommand(this.context),
        () => answers(`http://127.0.0.1:${ports.agentHealth}/readyz`),
        {
          ...token.environment,
        },
      ),
    );
    await this.#options.onAgentReady?.();
    await this.#step("started the manager", () =>
      this.#launch("manager", managerCommand({ ...this.context, agentsFile: this.#writeAgentsFile() }), () =>
        answers(`http://127.0.0.1:${ports.managerHealth}/readyz`),
      ),
    );
  }

  /** Manager, agent, API server: each has ended before the next is asked to. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("local mode stops"));
    for (const name of [...START_ORDER].reverse()) await this.#programs.get(name)?.stop();
    await this.#client?.close();
    this.#client = undefined;
    this.#unlock?.();
    this.#unlock = undefined;
  }

  async #startApiServer(ports: Ports): Promise<void> {
    const { paths } = this.#options;
    rmSync(paths.kubeconfig, { force: true });
    await this.#launch("apiserver", apiserverCommand({ paths, ports }), async (signal) => {
      this.#client ??= await connect(paths.kubeconfig);
      await this.#client.raw({ method: "GET", path: "/version", signal });
    });
  }

  async #launch(
    name: ProgramName,
    args: readonly string[],
    probe: (signal: AbortSignal) => Promise<void>,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { paths, onState, onLine, random = Math.random } = this.#options;
    const program = new Program({
      name,
      args,
      environment,
      logFile: paths.log(name),
      pidFile: paths.pid(name),
      probe,
      clock: this.#clock,
      random,
      onState: (state, detail) => onState?.(name, state, detail),
      onLine: (line) => onLine?.(name, line),
    });
    this.#stopping.signal.throwIfAborted();
    this.#programs.set(name, program);
    await program.start();
  }

  #writeAgentsFile(): string {
    const { paths, ports, token, certificates, poolUid } = this.context;
    const file = join(paths.config, "agents.json");
    const agent = { address: `127.0.0.1:${ports.agent}`, serialNumber: token.serialNumber, poolUid };
    const tls = { ...certificates.manager, authorities: certificates.authority };
    const content = { tls, devices: [{ name: DEVICE_NAME, agents: [agent] }] };
    writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
    return file;
  }

  async #step(text: string, run: () => Promise<unknown>): Promise<void> {
    // A start that Ctrl-C cut off must not go on starting what `stop` has just ended.
    this.#stopping.signal.throwIfAborted();
    const started = this.#clock.monotonic();
    const result = await run();
    if (result !== false) this.#options.onStep(text, this.#clock.monotonic() - started);
  }
}

async function connect(kubeconfig: string): Promise<KubeClient> {
  const connection = await connectionFromKubeconfig({ files: [kubeconfig] });
  return createKubeClient(connection, {
    userAgent: "hsm-secrets-operator-local",
    fieldManager: FIELD_MANAGER,
  });
}

async function answers(url: string): Promise<void> {
  const { statusCode, body } = await request(url, { headersTimeout: 2_000, bodyTimeout: 2_000 });
  await body.dump();
  if (statusCode !== 200) throw new Error(`${url} says ${statusCode}.`);
}

function keptText(file: string, make: () => string): string {
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  const text = make();
  writeFileSync(file, `${text}\n`);
  return text;
}
