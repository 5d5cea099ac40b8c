import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/kube/clock.ts";
import { identify, runs } from "../../src/local/process-identity.ts";
import { endLeftover, Program, type ProgramState } from "../../src/local/program.ts";
import { Journal } from "../kube/journal.ts";

let folder: string;
let states: Journal<ProgramState>;
let lines: Journal<string>;
const programs: Program[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "local-program-"));
  states = new Journal();
  lines = new Journal();
});

afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.stop()));
  await rm(folder, { recursive: true, force: true });
});

/** A program that is ready once it has printed `up`. */
function make(script: string, probe?: () => Promise<void>): Program {
  const program = new Program({
    name: "child",
    args: ["-e", script],
    logFile: join(folder, "child.log"),
    pidFile: join(folder, "child.pid"),
    probe:
      probe ??
      (async () => {
        if (!lines.entries.includes("up")) throw new Error("not yet");
      }),
    clock: systemClock,
    random: () => 0,
    onState: (state) => states.add(state),
    onLine: (line) => lines.add(line),
  });
  programs.push(program);
  return program;
}

/** Listens before it says that it is up. */
const POLITE = `
process.on("SIGTERM", () => { console.log("bye"); process.exit(0); });
setInterval(() => {}, 1000);
console.log("up");
`;

describe("a program of local mode", () => {
  it("is started, waited for, and asked to end", async () => {
    const program = make(POLITE);
    await program.start();
    expect(program.state).toBe("ready");
    const identity = identify(program.pid ?? 0);
    if (identity === undefined) throw new Error("it does not run");
    await program.stop();
    expect([runs(identity), program.state]).toEqual([false, "stopped"]);
    expect(await readFile(join(folder, "child.log"), "utf8")).toBe("up\nbye\n");
  });

  it("starts anew when it dies, and stays down when it is stopped", async () => {
    const program = make(POLITE);
    await program.start();
    const first = program.pid;
    process.kill(first ?? 0, "SIGKILL");
    await states.until((state) => state === "restarting");
    await states.until((state) => state === "ready", 2);
    expect(program.pid).not.toBe(first);
    expect(program.restarts).toBe(1);
    await program.stop();
    await program.start();
    expect(program.state).toBe("ready");
  });

  it("says why it did not start, and where its log is", async () => {
    const program = make('console.error("child: the port 9090 is taken"); process.exit(1);');
    await expect(program.start()).rejects.toThrow(
      `child ended at its start. It said: child: the port 9090 is taken Its log is ${join(folder, "child.log")}.`,
    );
    expect(program.state).toBe("stopped");
  });

  it("can be stopped while it starts", async () => {
    const program = make("setInterval(() => {}, 1000);");
    const started = program.start();
    await vi.waitFor(() => expect(program.pid).toBeDefined());
    await program.stop();
    await expect(started).rejects.toThrow("was stopped");
    expect(program.pid).toBeUndefined();
  });

  it("starts once more when it is killed while it starts", async () => {
    let allowed = false;
    const program = make(POLITE, async () => {
      if (!allowed) throw new Error("not yet");
    });
    const started = program.start();
    await vi.waitFor(() => expect(program.pid).toBeDefined());
    const first = program.pid;
    program.kill();
    await vi.waitFor(() => expect([undefined, first]).not.toContain(program.pid));
    allowed = true;
    await started;
    expect(program.state).toBe("ready");
  });

  it("is found and ended when its parent was killed, and nobody else is", async () => {
    const program = make(POLITE);
    await program.start();
    const pidFile = join(folder, "child.pid");
    const text = await readFile(pidFile, "utf8");
    const recycled = join(folder, "recycled.pid");
    await writeFile(recycled, text.replace(/\/\d+/, "/1"));
    expect(await endLeftover(recycled, systemClock)).toBe(false);
    expect(identify(program.pid ?? 0)).toBeDefined();
    const ended = states.until((state) => state === "restarting");
    expect(await endLeftover(pidFile, systemClock)).toBe(true);
    await ended;
    expect(await endLeftover(join(folder, "nothing.pid"), systemClock)).toBe(false);
  });
});
