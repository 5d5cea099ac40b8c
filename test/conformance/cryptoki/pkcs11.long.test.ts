/** Every recording of a Pico HSM against the stub with the profile of its folder. */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { buildStub } from "../../stub.ts";
import { checkAgainstList, loadDifferences } from "./differences.ts";
import { stubEnvironment } from "./environment.ts";
import { recordingName } from "./replay.ts";
import { runRecordings } from "./run.ts";

const RECORDINGS = resolve(import.meta.dirname, "..", "pkcs11");
const FOLDERS = [
  "opensc-0.23-pico",
  "opensc-0.26-pico",
  "opensc-0.27-pico",
  "opensc-0.23-pico-devfw",
  "opensc-0.27-pico-devfw",
];

test.each(FOLDERS)("%s plays on the stub as listed", async (folder) => {
  const names = (await readdir(join(RECORDINGS, folder))).filter((name) => name.endsWith(".ndjson"));
  const files = names.map((name) => join(RECORDINGS, folder, name));
  const result = await runRecordings({ files, environment: stubEnvironment(await buildStub()) });
  const list = await loadDifferences();
  expect(checkAgainstList(result, list, new Set(files.map(recordingName)))).toEqual({
    unlisted: [],
    vanished: [],
  });
});
