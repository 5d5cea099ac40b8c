#!/usr/bin/env node
// npm run fuzz [-- --seconds N] [target ...]: builds the libFuzzer targets of native/fuzz with clang, runs each for
// 60 s from its checked-in corpus, and prints how many executions that were. What it finds is left in
// test-output/fuzz; new inputs go to .cache/fuzz, never into the checked-in corpus.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const build = join(root, ".cache", "fuzz");
const TARGETS = ["attributes", "sysfs", "uevent"];

function main() {
  const args = process.argv.slice(2);
  let seconds = 60;
  const wanted = [];
  while (args.length > 0) {
    const argument = args.shift();
    if (argument === "--seconds") seconds = Number(args.shift());
    else if (TARGETS.includes(argument)) wanted.push(argument);
    else
      fail(`unknown argument ${JSON.stringify(argument)}; allowed are --seconds N, ${TARGETS.join(", ")}.`);
  }
  if (!Number.isInteger(seconds) || seconds < 1) fail("--seconds must be a whole number of at least 1.");
  const clang = ["clang++", "clang++-14", "clang++-16", "clang++-18", "clang++-19"]
    .map((name) => `/usr/bin/${name}`)
    .find((file) => existsSync(file));
  if (clang === undefined) fail("clang is missing: node scripts/setup.mjs --for fuzz installs it.");
  const output = join(root, "test-output", "fuzz");
  mkdirSync(output, { recursive: true });
  run("cmake", [
    "-S",
    join(root, "native", "fuzz"),
    "-B",
    build,
    `-DCMAKE_CXX_COMPILER=${clang}`,
    "--log-level=WARNING",
  ]);
  run("cmake", ["--build", build, "--parallel", "2", "--", "--no-print-directory"]);
  let found = 0;
  for (const target of wanted.length > 0 ? wanted : TARGETS) {
    const grown = join(build, "corpus", target);
    mkdirSync(grown, { recursive: true });
    const result = spawnSync(
      join(build, `${target}_fuzz`),
      [
        `-max_total_time=${seconds}`,
        "-max_len=8192",
        "-timeout=10",
        "-print_final_stats=1",
        `-artifact_prefix=${output}/${target}-`,
        grown,
        join(root, "native", "fuzz", "corpus", target),
      ],
      { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 },
    );
    const executions = /stat::number_of_executed_units:\s*(\d+)/.exec(result.stderr)?.[1] ?? "0";
    const coverage = [...result.stderr.matchAll(/ cov: (\d+)/g)].at(-1)?.[1] ?? "0";
    const good = result.status === 0;
    if (!good) {
      found += 1;
      process.stderr.write(result.stderr.slice(-8000));
    }
    process.stdout.write(
      `${target}: ${executions} executions in ${seconds} s, ${coverage} edges, ${good ? "nothing found" : "FOUND SOMETHING"}\n`,
    );
  }
  process.exitCode = found === 0 ? 0 : 1;
}

function run(file, args) {
  const result = spawnSync(file, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (result.error !== undefined) fail(`${file} cannot be started: ${result.error.message}`);
  if (result.status !== 0) fail(`this failed (exit code ${result.status}): ${file} ${args.join(" ")}`);
}

function fail(text) {
  process.stderr.write(`[fuzz] ${text}\n`);
  process.exit(1);
}

main();
