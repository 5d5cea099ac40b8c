import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const exec = promisify(execFile);
const root = resolve(fileURLToPath(import.meta.url), "..", "..", "..");

it("the native core's own tests leak nothing and read nothing unwritten, says valgrind", async () => {
  const { stdout } = await exec(process.execPath, ["scripts/valgrind.mjs"], {
    cwd: root,
    timeout: 1_200_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  expect(stdout).toContain("valgrind found no error and no leak");
});
