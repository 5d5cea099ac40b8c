/** Other versions of Node than the one that runs the tests, from their npm packages, in a folder of their own. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const exec = promisify(execFile);
const root = resolve(fileURLToPath(import.meta.url), "..", "..", "..");

/** Path of the binary. Not in node_modules: npm would put it first in every script's PATH. */
export async function nodeBinary(arch: "x64" | "arm64", major: number): Promise<string> {
  const folder = join(root, ".cache", "node-versions", `${arch}-${major}`);
  const name = `node-linux-${arch}`;
  const binary = join(folder, "node_modules", name, "bin", "node");
  if (existsSync(binary)) return binary;
  await mkdir(folder, { recursive: true });
  // --force: a package for another processor is what is wanted.
  const options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--force", "--prefix", folder];
  await exec("npm", ["install", ...options, `${name}@${major}`], { cwd: folder, timeout: 300_000 });
  return binary;
}
