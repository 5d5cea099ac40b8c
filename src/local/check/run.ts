/** Plays the main job in a folder of its own and counts what passed. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withDeadline } from "../deadline.ts";
import { LocalPaths } from "../paths.ts";
import { formatDuration, type Screen } from "../screen.ts";
import { LocalSession } from "../session.ts";
import { TokenReader } from "../token-reader.ts";
import { Killer } from "./killer.ts";
import { mainJob, type Step, writeFirstEdition } from "./main-job.ts";

export interface CheckOptions {
  readonly screen: Screen;
  readonly killSeed?: number | undefined;
  /** Ends the check early, with what it has. */
  readonly signal: AbortSignal;
}

export interface CheckResult {
  readonly passed: number;
  readonly failed: number;
}

/** Milliseconds that a step may take. */
const PATIENCE = 30_000;
/** With kills, a step may see several restarts. */
const PATIENCE_WITH_KILLS = 60_000;

export async function runCheck(options: CheckOptions): Promise<CheckResult> {
  const { screen, killSeed, signal } = options;
  const folder = await mkdtemp(join(tmpdir(), "hsm-local-check-"));
  let killer: Killer | undefined;
  const session: LocalSession = new LocalSession({
    paths: new LocalPaths(folder),
    logLevel: killSeed === undefined ? "info" : "debug",
    onStep: (text, milliseconds) => screen.line(`     ${formatDuration(milliseconds).padStart(8)}  ${text}`),
    onAgentReady: () => writeFirstEdition(session.context),
    onLine: (program, line) => killer?.line(program, line),
  });
  const tally = new Tally(screen, signal);
  let reader: TokenReader | undefined;
  try {
    await tally.play(
      { name: "API server, token, agent and manager run", run: () => session.start() },
      PATIENCE,
    );
    if (tally.failed === 0) {
      reader = await TokenReader.open(session.context);
      if (killSeed !== undefined) {
        screen.line(`seed ${killSeed}`);
        killer = new Killer(session, killSeed, (target, point) =>
          screen.line(`killed ${target} at ${point}`),
        );
      }
      for (const step of mainJob(session, reader)) {
        killer?.arm();
        await tally.play(step, killer === undefined ? PATIENCE : PATIENCE_WITH_KILLS);
      }
      killer?.disarm();
    }
  } finally {
    await reader?.close();
    await tally.play({ name: "everything stops", run: () => session.stop() }, PATIENCE);
    // What failed is looked into: then the folder stays.
    if (tally.failed === 0) await rm(folder, { recursive: true, force: true });
    else screen.line(`the logs are in ${join(folder, "log")}`);
  }
  return { passed: tally.passed, failed: tally.failed };
}

class Tally {
  passed = 0;
  failed = 0;
  readonly #screen: Screen;
  readonly #stop: AbortSignal;

  constructor(screen: Screen, stop: AbortSignal) {
    this.#screen = screen;
    this.#stop = stop;
  }

  async play(step: Step, patience: number): Promise<void> {
    const started = performance.now();
    const time = () => formatDuration(performance.now() - started).padStart(8);
    try {
      await withDeadline(patience, this.#stop, (signal) => step.run(signal));
      this.passed += 1;
      this.#screen.line(`ok   ${time()}  ${step.name}`);
    } catch (error) {
      this.failed += 1;
      const reason = error instanceof Error ? error.message : String(error);
      this.#screen.line(`FAIL ${time()}  ${step.name}: ${reason}`);
    }
  }
}
