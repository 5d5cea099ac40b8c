import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadAddon, loadFrom } from "../../src/addon.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hsm-loader-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("loading the addon", () => {
  it("names the remedy where nothing was built for this platform", () => {
    expect(() => loadFrom(folder)).toThrow(/node scripts\/setup\.mjs/);
  });

  it("names what is there and the remedy where prebuilds are for other processors only", async () => {
    const prebuilt = join(folder, "prebuilds", process.arch === "arm64" ? "linux-x64" : "linux-arm64");
    await mkdir(prebuilt, { recursive: true });
    await writeFile(join(prebuilt, "hsm-secrets-operator.glibc.node"), "for another processor");
    const other = process.arch === "arm64" ? "linux-x64" : "linux-arm64";
    const message = new RegExp(
      `no native addon for ${process.platform}-${process.arch}.*${other}.*setup\\.mjs`,
      "s",
    );
    expect(() => loadFrom(folder)).toThrow(message);
  });

  it("names the file and the remedy when the file cannot be loaded", async () => {
    await mkdir(join(folder, "build", "Release"), { recursive: true });
    await writeFile(join(folder, "build", "Release", "hsm_addon.node"), "no library");
    expect(() => loadFrom(folder)).toThrow(/hsm_addon\.node cannot be loaded .*node scripts\/setup\.mjs/s);
  });

  it("loads once a process", () => {
    expect(loadAddon()).toBe(loadAddon());
  });
});
