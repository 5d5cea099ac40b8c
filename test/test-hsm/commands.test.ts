import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeSoftHsmToken, type SoftHsmToken } from "../softhsm.ts";
import { connection, type Ran, run } from "./run.ts";

const CANARY = "canary-7f3a9c-value";
const DB = "secrets/shop/db";

describe("test-hsm on SoftHSM2", { timeout: 90_000 }, () => {
  let token: SoftHsmToken;
  const outputs: string[] = [];
  let blob: Buffer;

  const call = async (...args: string[]): Promise<Ran & { text: string }> => {
    const ran = await run([...args, ...connection(token)], token);
    return { ...ran, text: ran.stdout.toString("utf8") };
  };
  /** For commands that were not asked to show a value. */
  const quiet = async (...args: string[]) => {
    const ran = await call(...args);
    outputs.push(ran.text, ran.stderr);
    expect(ran.stderr).not.toContain("test-hsm:");
    expect(ran.code).toBe(0);
    return ran;
  };

  beforeAll(async () => {
    token = await makeSoftHsmToken({ setEnvironment: false });
    blob = randomBytes(5000);
    await writeFile(join(token.folder, "blob"), blob);
    await writeFile(join(token.folder, "canary"), CANARY);
    await writeFile(join(token.folder, "second"), `${CANARY}-2`);
  });
  afterAll(() => token.dispose());

  it("info lists tokens without a PIN, and describes one with it", async () => {
    const slots = await run(["info", "--module", token.modulePath], token);
    expect(slots.code).toBe(0);
    expect(slots.stdout.toString()).toContain(token.serialNumber);
    expect((await quiet("info")).text).toContain("none yet");
  });

  it("write takes bytes from files and standard input, and read --raw gives them back", async () => {
    const written = await quiet("write", DB, "--from-file", `blob=${join(token.folder, "blob")}`);
    expect(written.text).toContain("generation 1, 1 keys");
    expect(written.stderr).toContain("no pool");
    expect((await call("read", DB, "--raw", "blob")).stdout.equals(blob)).toBe(true);
    const piped = await run(
      [...["write", "secrets/shop/in", "--from-file", "k=-"], ...connection(token)],
      token,
      {
        stdin: blob,
      },
    );
    expect(piped.code).toBe(0);
    expect((await call("read", "secrets/shop/in", "--raw", "k")).stdout.equals(blob)).toBe(true);
  });

  it("write --merge keeps the other keys, and without it replaces all", async () => {
    await quiet("write", DB, "--merge", "--from-file", `password=${join(token.folder, "canary")}`);
    const merged = JSON.parse((await quiet("read", DB, "--json")).text);
    expect(merged.keys).toEqual([
      { name: "blob", bytes: 5000 },
      { name: "password", bytes: CANARY.length },
    ]);
    await quiet("write", DB, "--from-file", `password=${join(token.folder, "second")}`, "--expect", "2");
    expect(JSON.parse((await quiet("read", DB, "--json")).text).keys).toHaveLength(1);
  });

  it("list and read hide values; --reveal shows them", async () => {
    expect((await quiet("list")).text).toContain(DB);
    expect((await quiet("list", "secrets/sho")).text).toContain("No secrets");
    expect((await quiet("read", DB)).text).toContain("hidden");
    expect((await call("read", DB, "--reveal")).text).toContain(`${CANARY}-2`);
  });

  it("history names the generations, and rollback brings one back", async () => {
    expect(JSON.parse((await quiet("history", DB, "--json")).text).history).toMatchObject([
      { generation: 3, served: true },
      { generation: 2 },
      { generation: 1 },
    ]);
    expect((await quiet("rollback", DB, "1")).text).toContain("as generation 4");
    expect((await call("read", DB, "--raw", "blob")).stdout.equals(blob)).toBe(true);
  });

  it("checksum is keyed, and equal for equal content", async () => {
    const now = (await quiet("checksum", DB)).text;
    expect(now).toMatch(/^hmac-sha256:[0-9a-f]{8}:[0-9a-f]{64}\n$/);
    expect((await quiet("checksum", DB, "--generation", "1")).text).toBe(now);
    expect((await quiet("checksum", DB, "--generation", "2")).text).not.toBe(now);
  });

  it("delete leaves a tombstone and no history", async () => {
    await quiet("delete", DB);
    expect(JSON.parse((await quiet("list", DB, "--json")).text).entries).toMatchObject([
      { generation: 5, state: "dead", records: 1 },
    ]);
    expect((await call("delete", DB)).code).toBe(3);
  });

  it("selftest passes", async () => {
    expect((await quiet("selftest")).text).toContain("This token works");
  });

  it("takes the PIN from a descriptor", async () => {
    const args = connection(token).flatMap((arg) =>
      arg === "--pin-file" ? ["--pin-fd"] : arg === token.pinFile ? ["3"] : [arg],
    );
    const ran = await run(["list", ...args], token, { fd3: token.pin });
    expect(ran.code).toBe(0);
  });

  it("shows no value and no PIN that nobody asked for", () => {
    const all = outputs.join("\n");
    expect(all.length).toBeGreaterThan(1000);
    expect(all).not.toContain(CANARY);
    expect(all).not.toContain(Buffer.from(CANARY).toString("base64").slice(0, 16));
    expect(all).not.toContain(Buffer.from(token.pin).toString());
  });
});
