#!/usr/bin/env node
// Builds the C++ tests (native/test) incrementally below .cache/native-test, runs them, and leaves
// test-output/gtest.json. Arguments are handed on to GoogleTest, e.g. --gtest_filter=Device*.
// With `--sanitize address,undefined` or `--sanitize thread` first, the tests and the core are built and run under it.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const SANITIZERS = { "address,undefined": "asan", thread: "tsan" };
const args = process.argv.slice(2);
const sanitize = args[0] === "--sanitize" ? args.splice(0, 2)[1] : "";
if (sanitize !== "" && !Object.hasOwn(SANITIZERS, sanitize ?? "undefined")) {
  process.stderr.write(`[native-test] --sanitize must be one of ${Object.keys(SANITIZERS).join(" and ")}.\n`);
  process.exit(1);
}
const suffix = sanitize === "" ? "" : `-${SANITIZERS[sanitize]}`;
const build = join(root, ".cache", `native-test${suffix}`);
const report = join(root, "test-output", `gtest${suffix}.json`);

function run(file, args) {
  const result = spawnSync(file, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (result.error !== undefined) {
    process.stderr.write(
      `[native-test] ${file} cannot be started: ${result.error.message}. node scripts/setup.mjs --for test installs it.\n`,
    );
    process.exit(1);
  }
  if (result.signal !== null) process.stderr.write(`[native-test] ${file} ended by ${result.signal}\n`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

mkdirSync(build, { recursive: true });
mkdirSync(dirname(report), { recursive: true });
run("cmake", [
  "-S",
  join(root, "native", "test"),
  "-B",
  build,
  `-DHSM_SANITIZE=${sanitize}`,
  "--log-level=WARNING",
]);
run("cmake", ["--build", build, "--parallel", "2", "--", "--no-print-directory"]);
run(join(build, "native_tests"), [`--gtest_output=json:${report}`, "--gtest_brief=1", ...args]);
