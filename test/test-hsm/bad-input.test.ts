import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { formatApplication } from "../../src/hsm/record/application.ts";
import { makeSoftHsmToken, type SoftHsmToken } from "../softhsm.ts";
import { connection, run } from "./run.ts";

const DB = "secrets/shop/db";

describe("test-hsm and bad input: one clear sentence, and nothing is changed", { timeout: 90_000 }, () => {
  let token: SoftHsmToken;
  let folder: string;
  /** What the token holds while every command is refused. */
  let before: Record<string, unknown> | undefined;
  const file = (name: string) => join(folder, name);

  const call = async (args: readonly string[], connect = connection(token)) => {
    const ran = await run([...args, ...connect], token);
    return { ...ran, text: ran.stdout.toString("utf8"), lines: ran.stderr.trimEnd().split("\n") };
  };
  const state = async (): Promise<Record<string, unknown>> =>
    JSON.parse((await call(["list", "--json"])).text);
  const refused = async (
    args: readonly string[],
    code: number,
    sentence: string | RegExp,
    connect?: string[],
  ) => {
    before ??= await state();
    const ran = await call(args, connect);
    expect(ran.lines).toHaveLength(1);
    expect(ran.stderr).toMatch(sentence);
    expect(ran.code).toBe(code);
    expect(ran.text).toBe("");
    const after = await state();
    expect({ ...after, version: "" }).toEqual({ ...before, version: "" });
  };

  beforeAll(async () => {
    token = await makeSoftHsmToken();
    folder = await mkdtemp(join(tmpdir(), "test-hsm-"));
    await writeFile(file("value"), "v");
    await writeFile(file("large"), Buffer.alloc(1024 * 1024 + 1, 1));
    await writeFile(file("wrong-pin"), "111111", { mode: 0o600 });
    await writeFile(file("empty"), "");
    await call(["write", DB, "--from-file", `k=${file("value")}`]);
  });
  afterAll(async () => {
    await token.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("an unknown flag, command or argument", async () => {
    await refused(["list", "--nope"], 2, /unknown option '--nope'/);
    await refused(["lst"], 2, /unknown command 'lst'/);
    await refused(["rollback", DB, "one"], 2, /whole number/);
    await refused(["history", DB, "extra"], 2, /too many arguments/);
  });

  it("there is no way to give a value or a PIN in an argument", async () => {
    await refused(["write", DB, "--from-literal", "k=v"], 2, /unknown option '--from-literal'/);
    await refused(["list", "--pin", "1234"], 2, /unknown option '--pin'/);
    await refused(["write", DB], 2, /at least one --from-file/);
  });

  it("a module that is no library, or is not there", async () => {
    const other = (module: string) =>
      connection(token).map((arg) => (arg === token.modulePath ? module : arg));
    await refused(["list"], 2, /not a PKCS#11 library/, other("/etc/passwd"));
    await refused(["list"], 2, /nowhere\.so/, other("/nowhere.so"));
  });

  it("no token chosen, two chosen, one that is not there", async () => {
    const rest = ["--module", token.modulePath, "--pin-file", token.pinFile];
    await refused(["list"], 2, /--serial, --token-label or --slot/, rest);
    await refused(["list", "--slot", "1"], 2, /only one of/);
    const absent = connection(token).map((arg) => (arg === token.serialNumber ? "0000000000000000" : arg));
    await refused(["list"], 6, /0000000000000000/, absent);
  });

  it("a wrong PIN is tried once, and not a second time", async () => {
    const wrong = connection(token, file("wrong-pin"));
    await refused(["list"], 5, /PIN/, wrong);
    await refused(["list"], 5, /PIN/, wrong);
    expect((await call(["list"])).code).toBe(0);
  });

  it("a PIN file that is not there, is empty, or no PIN at all", async () => {
    await refused(["list"], 2, /PIN file cannot be read/, connection(token, file("nowhere")));
    await refused(["list"], 2, /PIN is empty/, connection(token, file("empty")));
    const none = connection(token).filter((arg) => arg !== "--pin-file" && arg !== token.pinFile);
    await refused(["list"], 2, /PIN is needed/, none);
  });

  it("a path or a key outside the grammar", async () => {
    for (const path of ["/a", "a//b", "a/../b", "_pool", "a b", "x".repeat(129)])
      await refused(["read", path], 2, /path/);
    await refused(["write", DB, "--from-file", `a/b=${file("value")}`], 2, /A key must be/);
    await refused(["write", DB, "--from-file", `k=${file("nowhere")}`], 2, /cannot be read/);
  });

  it("what is not there, and what is not as expected", async () => {
    await refused(["read", "secrets/shop/none"], 3, /There is no secret at secrets\/shop\/none/);
    await refused(["read", DB, "--generation", "9"], 3, /no generation 9/);
    await refused(["read", DB, "--raw", "nokey"], 3, /no such key/);
    await refused(
      ["write", DB, "--expect", "7", "--from-file", `k=${file("value")}`],
      4,
      /Generation 7 was expected/,
    );
  });

  it("a value that is too large", async () => {
    await refused(["write", DB, "--from-file", `k=${file("large")}`], 7, /more than 1048576 bytes/);
  });

  it("a full token: no new secret, but the old one can be changed and deleted", async () => {
    const full = [...connection(token), "--object-capacity", "3"];
    await refused(
      ["write", "secrets/shop/new", "--from-file", `k=${file("value")}`],
      7,
      /The token is full/,
      full,
    );
    expect(
      (await call(["write", DB, "--from-file", `k=${file("value")}`, "--history-limit", "0"], full)).code,
    ).toBe(0);
  });

  it("a corrupt record: skipped, reported, the older generation served", async () => {
    const raw = await openPkcs11Token({
      modulePath: token.modulePath,
      select: { serialNumber: token.serialNumber },
      pin: Uint8Array.from(token.pin),
      lockDirectory: token.folder,
      stateDirectory: token.folder,
    });
    const name = { index: 1, count: 1, digest: "0".repeat(32), state: "live" } as const;
    await raw.apply([
      {
        kind: "create",
        label: DB,
        application: formatApplication({ generation: 9, ...name }),
        value: Buffer.from("rot"),
      },
      {
        kind: "create",
        label: "secrets/shop/rotten",
        application: formatApplication({ generation: 1, ...name }),
        value: Buffer.from("rot"),
      },
    ]);
    await raw.close();
    const read = await call(["read", DB, "--json"]);
    expect(JSON.parse(read.text)).toMatchObject({ generation: 2 });
    expect(read.stderr).toMatch(/Generation 9 is skipped/);
    const lost = await call(["read", "secrets/shop/rotten"]);
    expect(lost.code).toBe(8);
    expect(lost.lines).toHaveLength(1);
  });
});
