#!/usr/bin/env node
// npm run bench -- [name ...]: builds what the benches need and runs bench/<name>.bench.ts, or all of them.
// The last line that a bench prints is one JSON object: {"bench", "ratios", "rows"}.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const bench = join(root, "bench");
const cache = join(root, ".cache", "bench");

function main() {
  const all = readdirSync(bench)
    .filter((name) => name.endsWith(".bench.ts"))
    .map((name) => name.slice(0, -".bench.ts".length))
    .sort();
  const wanted = process.argv.slice(2);
  const unknown = wanted.find((name) => !all.includes(name));
  if (unknown !== undefined)
    fail(`there is no bench ${JSON.stringify(unknown)}; there are ${all.join(", ")}.`);
  mkdirSync(cache, { recursive: true });
  installPackages();
  compilePrograms();
  for (const name of wanted.length === 0 ? all : wanted) {
    run(process.execPath, ["--import", "tsx", join(bench, `${name}.bench.ts`)], root);
  }
}

/** What the benches compare with has a lock file of its own: the project's install stays without it. */
function installPackages() {
  const lock = join(bench, "package-lock.json");
  const key = `${createHash("sha256").update(readFileSync(lock)).digest("hex")} ${process.versions.modules}`;
  const stamp = join(cache, "packages");
  if (existsSync(join(bench, "node_modules")) && existsSync(stamp) && readFileSync(stamp, "utf8") === key)
    return;
  process.stderr.write("[bench] installing what is compared with\n");
  const prefix = resolve(dirname(process.execPath), "..");
  const headers = existsSync(join(prefix, "include", "node", "node_api.h"))
    ? { npm_config_nodedir: prefix }
    : {};
  run("npm", ["ci", "--no-audit", "--no-fund"], bench, { ...headers, ...process.env });
  writeFileSync(stamp, key);
}

function compilePrograms() {
  const sources = readdirSync(join(bench, "native")).filter((name) => name.endsWith(".c"));
  for (const source of sources) {
    const input = join(bench, "native", source);
    const output = join(cache, source.slice(0, -".c".length));
    if (existsSync(output) && statSync(output).mtimeMs > statSync(input).mtimeMs) continue;
    run(
      "cc",
      [
        "-std=c11",
        "-D_POSIX_C_SOURCE=200809L",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        input,
        "-o",
        output,
        "-ldl",
      ],
      root,
    );
  }
}

function run(file, args, cwd, env = process.env) {
  const result = spawnSync(file, args, {
    cwd,
    env,
    stdio: ["ignore", file === process.execPath ? "inherit" : 2, 2],
  });
  if (result.error !== undefined) fail(`${file} cannot be started: ${result.error.message}`);
  if (result.status !== 0) fail(`${file} ${args[0]} failed`);
}

function fail(text) {
  process.stderr.write(`[bench] ${text}\n`);
  process.exit(1);
}

main();
