import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildStub } from "../stub.ts";
import { nodeBinary } from "./node-versions.ts";

const exec = promisify(execFile);
const root = resolve(fileURLToPath(import.meta.url), "..", "..", "..");

/** Loads the file, hashes, and calls into a worker thread of the addon: no library is there, and it says so. */
const PROGRAM = `
const addon = require(process.argv[1]);
const digest = Buffer.from(addon.sha256(new TextEncoder().encode("abc"))).toString("hex");
addon.listTokens(process.argv[2], 30000).then(
  (slots) => console.log(JSON.stringify({ version: process.version, arch: process.arch, digest, slots: slots.length })),
  (error) => console.log(JSON.stringify({ version: process.version, arch: process.arch, digest, class: error.class })));
`;
const DIGEST = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

// This machine's compiler and the cross compiler of the other architecture: setup installs them for x64.
describe.runIf(process.arch === "x64")("prebuilds", { timeout: 1_200_000 }, () => {
  let out: string;
  let modulePath: string;
  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), "hsm-prebuilds-"));
    ({ modulePath } = await buildStub());
    await exec(process.execPath, [join(root, "scripts", "prebuild.mjs"), "--out", out], {
      timeout: 1_000_000,
      maxBuffer: 64 * 1024 * 1024,
    });
  }, 1_100_000);
  afterAll(() => rm(out, { recursive: true, force: true }));

  const fileFor = async (arch: string): Promise<string> => {
    const folder = join(out, "prebuilds", `linux-${arch}`);
    const files = await readdir(folder);
    expect(files).toHaveLength(1);
    // The loader chooses by these tags.
    expect(files[0]).toMatch(/\.glibc\.node$/);
    return join(folder, files[0] ?? "");
  };

  it.each([20, 22, 24])("of x64 loads and works on Node %i", async (major) => {
    const running = Number(process.versions.node.split(".")[0]);
    const node = major === running ? process.execPath : await nodeBinary("x64", major);
    const env = { ...process.env, HSM_STUB_CARD: out };
    const { stdout } = await exec(node, ["-e", PROGRAM, await fileFor("x64"), modulePath], { env });
    expect(JSON.parse(stdout)).toMatchObject({ arch: "x64", digest: DIGEST, slots: 1 });
    expect(stdout).toContain(`"v${major}.`);
  });

  it("of arm64 loads and works on Node 20 for arm64, under qemu", async () => {
    const node = await nodeBinary("arm64", 20);
    const args = ["-L", "/usr/aarch64-linux-gnu", node, "-e", PROGRAM, await fileFor("arm64"), modulePath];
    const { stdout } = await exec("qemu-aarch64", args, { timeout: 120_000 });
    // The library is one of x64, and so cannot be loaded there; the addon says that, from a thread of its own.
    expect(JSON.parse(stdout)).toMatchObject({ arch: "arm64", digest: DIGEST, class: "BadInput" });
  });
});
