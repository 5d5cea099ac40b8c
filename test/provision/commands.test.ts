import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runTestHsm } from "../../src/hsm/cli/program.ts";
import type { Terminal } from "../../src/hsm/cli/terminal.ts";
import { listTokens } from "../../src/hsm/pkcs11/slots.ts";
import { makeSoftHsmToken, type SoftHsmToken } from "../softhsm.ts";

const SO_PIN = "so-pin-canary-1";
const PIN = "271828";
const NEXT_PIN = "314159";

let soft: SoftHsmToken;
beforeAll(async () => {
  soft = await makeSoftHsmToken();
  await writeFile(join(soft.folder, "so-pin"), `${SO_PIN}\n`);
  await writeFile(join(soft.folder, "first"), `${PIN}\n`);
  await writeFile(join(soft.folder, "next"), NEXT_PIN);
});
afterAll(() => soft.dispose());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command; `typed` is what a person types at each question, in order (absent: no terminal). */
async function run(args: readonly string[], typed?: readonly string[]): Promise<Ran> {
  const stdin = Object.assign(new PassThrough(), {
    isTTY: typed !== undefined,
    setRawMode: () => stdin,
  });
  const stdout = new PassThrough();
  const stderr = Object.assign(new PassThrough(), { isTTY: false });
  let out = "";
  let err = "";
  const answers = [...(typed ?? [])];
  stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  stderr.on("data", (chunk: Buffer) => {
    const text = chunk.toString();
    err += text;
    const answer = /: $/.test(text) ? answers.shift() : undefined;
    if (answer !== undefined) stdin.write(`${answer}\n`);
  });
  const terminal = { stdin, stdout, stderr } as unknown as Terminal;
  const code = await runTestHsm([...args], terminal, () => Promise.reject(new Error("no agent here")));
  for (const secret of [SO_PIN, PIN, NEXT_PIN]) expect(out + err).not.toContain(secret);
  return { code, out, err };
}

const common = () => ["--module", soft.modulePath, "--lock-dir", soft.folder, "--state-dir", soft.folder];
const file = (name: string) => join(soft.folder, name);

async function blankSlot(): Promise<number> {
  const blank = (await listTokens(soft.modulePath)).find(({ initialized }) => !initialized);
  if (blank?.slot === undefined) throw new Error("SoftHSM2 shows no free slot");
  return blank.slot;
}

describe("test-hsm provision and change-pin on SoftHSM2", { timeout: 60_000 }, () => {
  it("asks for a name that only this token has, and takes no other", async () => {
    const slot = await blankSlot();
    const args = ["provision", "--label", "new", "--slot", `${slot}`, "--so-pin-file", file("so-pin")];
    const unsaid = await run([...args, "--pin-file", file("first"), ...common()]);
    expect(unsaid).toMatchObject({ code: 2, err: expect.stringContaining(`--yes slot-${slot}`) });
    const other = await run([...args, "--pin-file", file("first"), "--yes", soft.serialNumber, ...common()]);
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining("nothing was done") });
    expect(await blankSlot()).toBe(slot);
  });

  it("provisions a blank slot, and the token then has a serial number, a label and the PIN", async () => {
    const slot = await blankSlot();
    const args = ["provision", "--label", "new", "--slot", `${slot}`, "--so-pin-file", file("so-pin")];
    const ran = await run([
      ...args,
      "--pin-file",
      file("first"),
      "--yes",
      `slot-${slot}`,
      "--json",
      ...common(),
    ]);
    expect(ran.err).not.toContain("test-hsm:");
    expect(JSON.parse(ran.out)).toMatchObject({ ok: true, label: "new" });
    const { serialNumber } = JSON.parse(ran.out) as { serialNumber: string };
    const info = await run(["info", "--serial", serialNumber, "--pin-file", file("first"), ...common()]);
    expect(info.code).toBe(0);
  });

  it("refuses a token that is in use, whatever is said", async () => {
    const { serialNumber } = soft;
    const args = ["provision", "--label", "new", "--serial", serialNumber, "--so-pin-file", file("so-pin")];
    const ran = await run([...args, "--pin-file", file("first"), "--yes", serialNumber, ...common()]);
    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining("not certainly blank") });
  });

  it("changes a PIN that is typed: the serial number, the present PIN, the new one twice", async () => {
    const args = ["change-pin", "--token-label", "new", ...common()];
    const { serialNumber } =
      (await listTokens(soft.modulePath)).find(({ label }) => label === "new") ?? expect.unreachable();
    const differs = await run(args, [serialNumber, PIN, NEXT_PIN, "999999"]);
    expect(differs).toMatchObject({ code: 2, err: expect.stringContaining("not the same") });
    const ran = await run(args, [serialNumber, PIN, NEXT_PIN, NEXT_PIN]);
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining("is proven") });
    const info = await run(["info", "--serial", serialNumber, "--pin-file", file("next"), ...common()]);
    expect(info.code).toBe(0);
  });

  it("a wrong present PIN is refused, and is not sent a second time", async () => {
    const { serialNumber } = soft;
    const args = [
      "change-pin",
      "--serial",
      serialNumber,
      "--pin-file",
      file("first"),
      "--new-pin-file",
      file("next"),
    ];
    const first = await run([...args, "--yes", serialNumber, ...common()]);
    expect(first).toMatchObject({ code: 5, err: expect.stringContaining("spent one of its tries") });
    const second = await run([...args, "--yes", serialNumber, ...common()]);
    expect(second).toMatchObject({ code: 5, err: expect.stringContaining("not sent again") });
  });
});
