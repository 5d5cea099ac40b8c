/** The recordings against SoftHSM2, and those of the default Pico profile against the stub (the others: long). */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { softHsmModulePath } from "../../softhsm.ts";
import { buildStub } from "../../stub.ts";
import { checkAgainstList, loadDifferences } from "./differences.ts";
import { softHsmEnvironment, stubEnvironment } from "./environment.ts";
import { recordingName } from "./replay.ts";
import { runRecordings } from "./run.ts";

const RECORDINGS = resolve(import.meta.dirname, "..", "pkcs11");

async function recordingsOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(join(RECORDINGS, folder));
  return names.filter((name) => name.endsWith(".ndjson")).map((name) => join(RECORDINGS, folder, name));
}

describe("recorded PKCS#11 stories", () => {
  test("play on SoftHSM2 as they were recorded", { timeout: 120_000 }, async () => {
    const build = await buildStub();
    const files = await recordingsOf("softhsm-2.6.1");
    const environment = softHsmEnvironment(build.playerPath, softHsmModulePath());
    const result = await runRecordings({ files, environment });
    const list = await loadDifferences();
    expect(checkAgainstList(result, list, new Set(files.map(recordingName)))).toEqual({
      unlisted: [],
      vanished: [],
    });
    expect(result.stories).toBeGreaterThan(100);
  });

  test("play on the stub's default profile as listed", { timeout: 120_000 }, async () => {
    const files = await recordingsOf("opensc-0.27-pico");
    const result = await runRecordings({ files, environment: stubEnvironment(await buildStub()) });
    const list = await loadDifferences();
    expect(checkAgainstList(result, list, new Set(files.map(recordingName)))).toEqual({
      unlisted: [],
      vanished: [],
    });
    expect(result.stories).toBeGreaterThan(150);
    // Commands are a cost, not a contract; what is planned by them must still be near the truth.
    expect(result.sameCost / result.withCost).toBeGreaterThan(0.98);
  });

  test("a difference that nobody listed is told, and a listed one that has gone", async () => {
    const difference = {
      recording: "a/pin",
      story: "lock",
      i: 4,
      call: "C_Login",
      text: "CKR_OK, recorded CKR_PIN_LOCKED",
    };
    const result = {
      stories: 1,
      storiesWithDifferences: 1,
      calls: 9,
      differences: [difference],
      sameCost: 0,
      withCost: 0,
      costs: [],
      left: [],
    };
    const list = [{ recording: "a/pin", story: "lock", lines: [7], reason: "no matter" }];
    expect(checkAgainstList(result, list, new Set(["a/pin"]))).toEqual({
      unlisted: ["a/pin lock 4: C_Login: CKR_OK, recorded CKR_PIN_LOCKED"],
      vanished: ["a/pin lock 7"],
    });
  });
});
