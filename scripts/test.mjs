#!/usr/bin/env node
// Runs every stage of the tests and ends with one line that counts all of them: `N passed, N failed`.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const output = join(root, "test-output");
const long = process.argv.includes("--long");
const bin = (name) => join(root, "node_modules", ".bin", name);

/** A check counts as one test; a runner counts its own (`report` reads them). */
const STAGES = long
  ? [
      {
        name: "vitest, long suites",
        run: [bin("vitest"), "run"],
        env: { HSM_TEST_LONG: "1" },
        report: vitestReport,
      },
    ]
  : [
      { name: "types", run: [bin("tsc"), "--noEmit", "-p", "tsconfig.json"] },
      { name: "lint", run: [bin("biome"), "check", "--error-on-warnings", "."] },
      { name: "C++ tests", run: ["node", "scripts/native-test.mjs"], report: gtestReport },
      { name: "vitest", run: [bin("vitest"), "run"], report: vitestReport },
    ];

async function main() {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  let passed = 0;
  let failed = 0;
  for (const [index, stage] of STAGES.entries()) {
    const started = Date.now();
    process.stdout.write(`[${index + 1}/${STAGES.length}] ${stage.name} ...\n`);
    const status = await runStage(stage);
    const counts = stage.report?.() ?? { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 };
    // A runner that ended badly without naming a failed test still counts as a failure.
    if (status !== 0 && counts.failed === 0) counts.failed = 1;
    passed += counts.passed;
    failed += counts.failed;
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    process.stdout.write(
      `[${index + 1}/${STAGES.length}] ${stage.name}: ${counts.failed === 0 ? "ok" : "FAILED"} (${seconds} s)\n`,
    );
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function runStage(stage) {
  const [command, ...args] = stage.run;
  const extra =
    stage.report === vitestReport
      ? ["--reporter=default", "--reporter=json", `--outputFile.json=${join(output, "vitest.json")}`]
      : [];
  const file = command === "node" ? process.execPath : command;
  return new Promise((done) => {
    const child = spawn(file, [...args, ...extra], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, ...stage.env },
    });
    child.on("error", (error) => {
      process.stderr.write(`${file} cannot be started: ${error.message}\n`);
      done(1);
    });
    child.on("exit", (code) => done(code ?? 1));
  });
}

function vitestReport() {
  const report = readJson("vitest.json");
  // A file that fails to load has no tests of its own: count it too.
  const brokenFiles = (report?.testResults ?? []).filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  ).length;
  return { passed: report?.numPassedTests ?? 0, failed: (report?.numFailedTests ?? 1) + brokenFiles };
}

function gtestReport() {
  const report = readJson("gtest.json");
  return { passed: (report?.tests ?? 0) - (report?.failures ?? 0), failed: report?.failures ?? 1 };
}

function readJson(name) {
  const file = join(output, name);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

await main();
