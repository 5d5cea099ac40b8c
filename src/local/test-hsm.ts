/** Runs test-hsm as the process that a person runs: through the agent, since the agent holds the token. */

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { builtProgram, type CommandContext, testHsmFlags } from "./commands.ts";

export interface TestHsmOutcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

export function runTestHsm(context: CommandContext, args: readonly string[]): Promise<TestHsmOutcome> {
  const [command = "", ...rest] = args;
  const all = [builtProgram("bin/test-hsm.js"), command, ...testHsmFlags(context), ...rest];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "pipe"] });
    const texts = { output: "", errors: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      texts.output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      texts.errors += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...texts }));
  });
}

/** Writes a secret on the token; rejects with what test-hsm said. Values go through files: arguments can be seen. */
export async function writeOnToken(
  context: CommandContext,
  path: string,
  data: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = await mkdtemp(join(context.paths.config, "write-"));
  try {
    const args: string[] = [];
    for (const [index, [key, value]] of Object.entries(data).entries()) {
      const file = join(folder, String(index));
      await writeFile(file, value, { mode: 0o600 });
      args.push("--from-file", `${key}=${file}`);
    }
    const { code, errors } = await runTestHsm(context, ["write", path, ...args]);
    if (code !== 0) throw new Error(`test-hsm write ended with ${code}: ${errors.trim()}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
