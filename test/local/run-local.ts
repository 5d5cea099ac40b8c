import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Journal } from "../kube/journal.ts";

const program = fileURLToPath(new URL("../../dist/bin/local.js", import.meta.url));

export interface LocalRun {
  readonly pid: number;
  readonly lines: Journal<string>;
  readonly ended: Promise<{
    readonly code: number | null;
    readonly lines: readonly string[];
    readonly errors: string;
  }>;
  signal(name: NodeJS.Signals): void;
}

/** Local mode as a process, as `npm run local` starts it once everything is built. */
export function runLocal(args: readonly string[]): LocalRun {
  if (!existsSync(program)) throw new Error("dist/ is missing: node scripts/setup.mjs builds it.");
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const lines = new Journal<string>();
  let errors = "";
  createInterface({ input: child.stdout }).on("line", lines.add);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const ended = new Promise<Awaited<LocalRun["ended"]>>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, lines: lines.entries, errors }));
  });
  return { pid: child.pid ?? 0, lines, ended, signal: (name) => child.kill(name) };
}
