/** Runs a recorded kubectl command against the server under test and compares what a person would see. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kubectlPath } from "../../kubectl.ts";
import { withoutDump } from "./compare.ts";
import type { Bindings } from "./placeholders.ts";
import type { Exchange } from "./recording.ts";
import type { Target } from "./server.ts";

/** How long a command that watches is left running. */
const WATCH_MS = 2500;

/** Editors that the recordings describe in words. */
const EDITORS: readonly (readonly [pattern: RegExp, script: string])[] = [
  [/turns syncInterval: 300 into 120/, "#!/bin/sh\nsed -i 's/syncInterval: 300/syncInterval: 120/' \"$1\"\n"],
  [/does nothing/, "#!/bin/sh\nexit 0\n"],
];

export async function runKubectl(
  exchange: Exchange,
  target: Target,
  bindings: Bindings,
  during: () => Promise<void>,
): Promise<string[]> {
  const recorded = exchange.kubectl;
  if (recorded === undefined) return ["the line has no kubectl command"];
  const folder = mkdtempSync(join(tmpdir(), "kubectl-replay-"));
  try {
    const config = join(folder, "config");
    writeFileSync(config, target.kubeconfig, { mode: 0o600 });
    const env: Record<string, string> = { KUBECONFIG: config, HOME: folder, PATH: process.env["PATH"] ?? "" };
    for (const [name, value] of Object.entries(recorded.env ?? {})) {
      const script = EDITORS.find(([pattern]) => pattern.test(value))?.[1];
      const editor = join(folder, "editor.sh");
      if (script !== undefined) writeFileSync(editor, script, { mode: 0o700 });
      env[name] = script === undefined ? value : editor;
    }
    const watching = recorded.args.includes("-w");
    const run = await execute(
      await kubectlPath(),
      recorded.args,
      env,
      recorded.stdin ?? "",
      watching,
      during,
    );
    const differences: string[] = [];
    if (!watching && run.exit !== recorded.exit) {
      differences.push(`exit: expected ${recorded.exit}, got ${run.exit}: ${run.stderr.slice(0, 400)}`);
    }
    for (const name of ["stdout", "stderr"] as const) {
      const problem = bindings.match(comparable(recorded[name], folder), comparable(run[name], folder));
      if (problem !== undefined) differences.push(`${name}: ${problem.slice(0, 4000)}`);
    }
    return differences;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Folders, process ids and times of the day that commands name. */
function withoutPlaces(text: string, folder: string): string {
  return text
    .replaceAll(folder, "<tmp>")
    .replace(/\/tmp\/(LIVE|MERGED)-\d+/g, "<tmp>/$1")
    .replace(/^((?:---|\+\+\+) <tmp>\S+)[ \t].*$/gm, "$1 (time)")
    .replace(/^W\S+( [\d:.]+)?\s+(\d+|<pid>) /gm, "W (time and process) ")
    .replace(/Resource Version:(\s+)\d+/g, "Resource Version:$1(any)");
}

const comparable = (text: string, folder: string): string =>
  squeeze(withoutDump(withoutPlaces(text, folder)));

/** Ages have other widths each time, and the columns move with them. */
function squeeze(text: string): string {
  return text
    .replace(/[ \t]+/g, " ")
    .replace(/ +$/gm, "")
    .trim();
}

function execute(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
  stdin: string,
  watching: boolean,
  during: () => Promise<void>,
): Promise<{ exit: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const event = setTimeout(() => during().catch(reject), WATCH_MS / 2);
    const end = setTimeout(() => child.kill("SIGTERM"), watching ? WATCH_MS : 60_000);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(event);
      clearTimeout(end);
      resolve({ exit: code ?? 1, stdout, stderr });
    });
    child.stdin.on("error", () => {}); // A command that does not read its input closes the pipe.
    child.stdin.end(stdin);
  });
}
