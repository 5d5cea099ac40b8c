/** After close the process's memory holds neither the PIN nor a value that only the native core had. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { makeSoftHsmToken } from "../softhsm.ts";

const exec = promisify(execFile);
const program = fileURLToPath(new URL("memory-canaries.ts", import.meta.url));

test("neither the PIN nor a written value is in memory after close, and no core dump can be made", async () => {
  const token = await makeSoftHsmToken();
  try {
    const place = { modulePath: token.modulePath, serialNumber: token.serialNumber, folder: token.folder };
    const { stdout } = await exec(process.execPath, ["--import", "tsx", program, JSON.stringify(place)], {
      env: { ...process.env, ...token.environment },
      timeout: 60_000,
    });
    const found = JSON.parse(stdout) as Record<string, unknown>;
    expect(found).toEqual({ control: true, pin: false, value: false, coreLimit: "0", undumpable: true });
  } finally {
    await token.dispose();
  }
}, 90_000);
