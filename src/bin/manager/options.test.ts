import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLogger } from "../../telemetry/log.ts";
import { openDevices } from "./devices.ts";
import { parseManagerArguments } from "./options.ts";
import { explainFailure } from "./run.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "manager-options-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** What the manager would print, or that it would go on. */
async function complaint(
  args: readonly string[],
): Promise<{ readonly exitCode: number; readonly sentence: string }> {
  try {
    const parsed = parseManagerArguments(args);
    if (parsed.kind === "run") (await openDevices(parsed.options, silentLogger)).close();
    return { exitCode: 0, sentence: "" };
  } catch (error) {
    return explainFailure(error);
  }
}

describe("bad input", () => {
  it.each([
    ["an unknown flag", ["--colour"], "Unknown option '--colour'."],
    ["no agents", [], "--agents is needed"],
    ["a missing file", ["--agents", "/nonexistent/agents.json"], "does not exist: /nonexistent/agents.json."],
    ["a bad number of workers", ["--workers", "none"], "whole number from 1 to 256"],
    ["a bad address", ["--client", "mock", "--health-address", "here"], "host:port"],
  ])("%s: one sentence and exit code 2", async (_name, args, words) => {
    const { exitCode, sentence } = await complaint(args);
    expect(exitCode).toBe(2);
    expect(sentence).toMatch(/^[A-Z-][^\n]*\.$/);
    expect(sentence).toContain(words);
  });

  it.each([
    ["no JSON", "{", "is not JSON"],
    ["no devices", '{"devices": []}', "must name at least one device"],
    ["a device without agents", '{"devices": [{"name": "a", "agents": []}]}', "devices.0.agents"],
    [
      "a bad address",
      '{"devices": [{"name": "a", "agents": [{"serialNumber": "1", "address": "nowhere"}]}]}',
      "must be host:port",
    ],
    [
      "no certificates",
      '{"devices": [{"name": "a", "agents": [{"serialNumber": "1", "address": "https://127.0.0.1:1"}]}]}',
      "--cert, --key and --ca are needed",
    ],
  ])("a file of agents with %s", async (_name, content, words) => {
    const file = join(folder, "agents.json");
    await writeFile(file, content);
    const { exitCode, sentence } = await complaint(["--agents", file]);
    expect(exitCode).toBe(2);
    expect(sentence).toMatch(/^[A-Z-][^\n]*\.$/);
    expect(sentence).toContain(words);
  });
});
