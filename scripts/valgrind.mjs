#!/usr/bin/env node
// The C++ tests under valgrind: no leak, no read of what was not written. Arguments are handed on to GoogleTest.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
// As scripts/native-test.mjs: built once, used by both.
const build = join(root, ".cache", "native-test");
const report = join(root, "test-output", "valgrind.json");

function run(file, args) {
  const result = spawnSync(file, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (result.error !== undefined) {
    process.stderr.write(
      `[valgrind] ${file} cannot be started: ${result.error.message}. node scripts/setup.mjs --for long installs it.\n`,
    );
    process.exit(1);
  }
  if (result.signal !== null) process.stderr.write(`[valgrind] ${file} ended by ${result.signal}\n`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

mkdirSync(build, { recursive: true });
mkdirSync(dirname(report), { recursive: true });
run("cmake", ["-S", join(root, "native", "test"), "-B", build, "--log-level=WARNING"]);
run("cmake", ["--build", build, "--target", "native_tests", "--parallel", "2", "--", "--no-print-directory"]);
run("valgrind", [
  ...["--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect"],
  ...["--errors-for-leak-kinds=definite,indirect", "--error-exitcode=9"],
  `--suppressions=${join(root, "native", "test", "valgrind.supp")}`,
  join(build, "native_tests"),
  `--gtest_output=json:${report}`,
  "--gtest_brief=1",
  ...process.argv.slice(2),
]);
process.stdout.write("valgrind found no error and no leak\n");
