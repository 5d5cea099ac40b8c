/** `npm run local`: starts everything, shows what to try, keeps it running until it is told to stop. */

import { createInformer } from "../kube/informer.ts";
import { HSM_SECRETS, type HsmSecret } from "./cluster.ts";
import { testHsmFlags } from "./commands.ts";
import { DEMO, DEMO_PATH, Demo } from "./demo.ts";
import { LocalPaths } from "./paths.ts";
import type { ProgramState } from "./program.ts";
import { formatDuration, formatUptime, type Screen } from "./screen.ts";
import { LocalSession, type ProgramName } from "./session.ts";

export interface ServeOptions {
  readonly state: string;
  readonly logLevel: string;
  readonly screen: Screen;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}

const TITLES: Readonly<Record<ProgramName, string>> = {
  apiserver: "API server",
  agent: "agent",
  manager: "manager",
};
/** Milliseconds between two looks at the clock for the status line. */
const TICK = 1_000;

export async function serve(options: ServeOptions): Promise<void> {
  const { screen, signal } = options;
  const paths = new LocalPaths(options.state);
  const began = performance.now();
  const states = new Map<ProgramName, ProgramState>();
  let running = false;
  const onStep = (text: string, milliseconds: number) => screen.step(text, milliseconds);
  const session: LocalSession = new LocalSession({
    paths,
    logLevel: options.logLevel,
    onStep,
    onAgentReady: () => demo.writeToken(),
    onState(program, state, detail) {
      states.set(program, state);
      if (!running || signal.aborted) return;
      if (state === "restarting")
        screen.line(`${TITLES[program]}: ${detail}; its log is ${paths.log(program)}`);
      if (state === "ready") screen.line(`${TITLES[program]} is back`);
    },
  });
  const demo = new Demo(session, onStep);
  // Stops a start that is under way too.
  const stopped = new Promise<void>((resolve) => {
    const stop = () => resolve();
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    const started = session.start().then(() => demo.createHsmSecret(signal));
    await Promise.race([started, stopped]);
    if (!signal.aborted) {
      running = true;
      screen.line();
      screen.line(
        `Running after ${formatDuration(performance.now() - began)}; Ctrl-C stops everything. State: ${paths.folder}`,
      );
      for (const line of suggestions(session)) screen.line(line);
      await showStatus(session, screen, states, signal);
    }
    started.catch(() => {}); // Cut off by Ctrl-C: nothing to say about it.
  } finally {
    const stopping = performance.now();
    screen.status("");
    await session.stop();
    screen.step("stopped manager, agent and API server", performance.now() - stopping);
  }
}

function suggestions(session: LocalSession): readonly string[] {
  const { paths } = session.context;
  const kubectl = `kubectl --kubeconfig ${relative(paths.kubeconfig)}`;
  const { namespace, name } = DEMO;
  const edit = `-n ${namespace} patch secret ${name} --type merge -p '{"stringData":{"password":"changed"}}'`;
  const testHsm = [
    "node dist/bin/test-hsm.js read",
    DEMO_PATH,
    ...testHsmFlags(session.context).map(relative),
    "--reveal",
  ];
  return [
    "",
    "Try, each in a terminal of its own:",
    `  ${kubectl} get hsmsec -w`,
    `  ${kubectl} ${edit}`,
    `  ${testHsm.join(" ")}`,
    "",
  ];
}

/** Paths as they are typed from the folder in which the command was given. */
function relative(text: string): string {
  const here = `${process.cwd()}/`;
  return text.startsWith(here) ? text.slice(here.length) : text;
}

/** One line: how long, which programs, how many HSMSecrets in which state. Until the signal aborts. */
async function showStatus(
  session: LocalSession,
  screen: Screen,
  states: ReadonlyMap<ProgramName, ProgramState>,
  signal: AbortSignal,
): Promise<void> {
  const since = performance.now();
  const informer = createInformer<HsmSecret>({ client: session.client, resource: HSM_SECRETS });
  const draw = () => {
    const programs = [...states].map(([name, state]) => `${TITLES[name]} ${state}`).join(", ");
    const secrets = countByStatus(informer.store.list());
    const up = formatUptime(performance.now() - since);
    screen.status(`up ${up} | ${programs} | HSMSecrets: ${secrets}`);
  };
  const stopListening = informer.store.onChange(draw);
  const timer = setInterval(draw, TICK);
  draw();
  try {
    await informer.run(signal);
  } finally {
    clearInterval(timer);
    stopListening();
  }
}

function countByStatus(secrets: readonly HsmSecret[]): string {
  if (secrets.length === 0) return "none";
  const counts = new Map<string, number>();
  for (const secret of secrets) {
    const status = secret.status?.syncStatus ?? "new";
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  return [...counts].map(([status, count]) => `${count} ${status}`).join(", ");
}
