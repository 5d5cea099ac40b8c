import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { type AgentDependencies, type RunningAgent, runAgent } from "../../src/agent/run.ts";
import type { OpenedToken } from "../../src/agent/token-life.ts";
import { HsmError } from "../../src/hsm/errors.ts";
import { MemoryToken } from "../../src/hsm/mock/memory-token.ts";
import { RecordStore } from "../../src/hsm/store/record-store.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { makeSoftHsmToken } from "../softhsm.ts";
import { type AgentFiles, agentFiles, get, onEnd, optionsOf } from "./harness.ts";

const WATCH = { settle: 5, rescan: 50 };

async function start(
  files: AgentFiles,
  extra: readonly string[],
  dependencies: Partial<AgentDependencies> = {},
): Promise<RunningAgent> {
  const options = optionsOf([...files.flags, ...extra]);
  const agent = await runAgent(options, {
    log: silentLogger,
    watch: WATCH,
    random: () => 0,
    ...dependencies,
  });
  onEnd(() => agent.stop());
  return agent;
}

const MODULE = ["--module", "/never/loaded.so"];

/** Opens a token in memory; the PINs that were tried are noted. */
function opener(token: MemoryToken, tried: string[], right: string) {
  return async (_options: unknown, pin: Uint8Array): Promise<OpenedToken> => {
    tried.push(Buffer.from(pin).toString());
    pin.fill(0);
    if (tried.at(-1) !== right) {
      throw new HsmError("AuthFailed", "The token refuses the PIN.", { operation: "C_Login" });
    }
    const client = await RecordStore.open(token);
    const onHung: OpenedToken["onHung"] = (listener) =>
      token.onEvent((event) => {
        if (event.kind === "hung") listener(event.operation);
      });
    return { client, onHung };
  };
}

describe("an agent of a SoftHSM token", () => {
  it("serves it to its manager, is ready, and ends without a trace", async () => {
    const token = await makeSoftHsmToken();
    onEnd(() => token.dispose());
    const files = await agentFiles(token.serialNumber);
    await files.writePin(Buffer.from(token.pin).toString());
    const agent = await start(files, ["--module", token.modulePath]);
    const client = files.connect(agent.port);
    expect(await client.info()).toMatchObject({ serialNumber: token.serialNumber, mock: false });
    expect(await client.list()).toMatchObject({ entries: [] });
    expect(await get(agent.healthPort, "/readyz")).toEqual({ status: 200, text: "ok" });
    expect(await get(agent.healthPort, "/livez")).toEqual({ status: 200, text: "ok" });
    await agent.stop();
    await expect(client.info()).rejects.toMatchObject({ class: "TokenGone" });
  });
});

describe("the PIN", () => {
  it("that is refused is tried once; the next one in the file is tried and served", async () => {
    const files = await agentFiles("TOKEN-1");
    const tried: string[] = [];
    const open = opener(new MemoryToken({ serialNumber: "TOKEN-1" }), tried, "654321");
    const agent = await start(files, MODULE, { open });
    const client = files.connect(agent.port);
    const refused = { class: "AuthFailed", message: "The token refuses the PIN." };
    await expect(client.list()).rejects.toMatchObject(refused);
    await expect(client.refresh()).rejects.toMatchObject(refused);
    expect(await get(agent.healthPort, "/readyz")).toEqual({ status: 503, text: refused.message });
    expect((await get(agent.healthPort, "/livez")).status).toBe(200);
    // The same PIN written again is no reason to try it again.
    await files.writePin("123456\n");
    await files.writePin("654321");
    await vi.waitUntil(async () => (await get(agent.healthPort, "/readyz")).status === 200);
    expect(tried).toEqual(["123456", "654321"]);
    expect(await client.list()).toMatchObject({ entries: [] });
  });
});

describe("a token that is lost", () => {
  it("is an error with its reason and no listing, until it is back", async () => {
    const files = await agentFiles("TOKEN-1");
    const token = new MemoryToken({ serialNumber: "TOKEN-1" });
    const agent = await start(files, MODULE, { open: opener(token, [], "123456") });
    const client = files.connect(agent.port);
    await client.list();
    token.powerOff();
    await vi.waitUntil(async () => (await get(agent.healthPort, "/readyz")).status === 503);
    await expect(client.list()).rejects.toMatchObject({
      class: "TokenGone",
      message: "the mock was unplugged",
    });
    expect((await get(agent.healthPort, "/livez")).status).toBe(200);
    token.powerOn();
    await vi.waitUntil(async () => (await get(agent.healthPort, "/readyz")).status === 200);
    expect(await client.list()).toMatchObject({ entries: [] });
  });

  it("or not there at the start is waited for", async () => {
    const files = await agentFiles("TOKEN-1");
    const there = opener(new MemoryToken({ serialNumber: "TOKEN-1" }), [], "123456");
    let tries = 0;
    const open: AgentDependencies["open"] = async (options, pin) => {
      tries += 1;
      if (tries > 1) return there(options, pin);
      throw new HsmError("TokenGone", "No such token.", { operation: "open" });
    };
    const agent = await start(files, MODULE, { open });
    expect(await get(agent.healthPort, "/readyz")).toEqual({ status: 503, text: "No such token." });
    await vi.waitUntil(async () => (await get(agent.healthPort, "/readyz")).status === 200, {
      timeout: 10_000,
    });
  });

  it("in favour of another one is not served", async () => {
    const files = await agentFiles("TOKEN-1");
    const open = opener(new MemoryToken({ serialNumber: "TOKEN-2" }), [], "123456");
    await expect(start(files, MODULE, { open })).rejects.toThrow(
      "The certificate was not made for token TOKEN-2 in pool pool-uid-1: it is not served.",
    );
  });
});

describe("bad input ends the program with one sentence", () => {
  const script = resolve("src/bin/agent.ts");

  async function run(flags: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, ["--import", "tsx", script, ...flags]);
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    const code = await new Promise<number | null>((done) => child.once("close", done));
    return { code, out, err };
  }

  it("and --help with its exit codes", async () => {
    const [help, unknown, noLibrary] = await Promise.all([
      run(["--help"]),
      run(["--frobnicate"]),
      agentFiles("TOKEN-1").then(async (files) => {
        const module = join(files.folder, "no-library.so");
        await writeFile(module, "this is text");
        return run([...files.flags, "--module", module]);
      }),
    ]);
    expect(help.code).toBe(0);
    expect(help.out).toContain("--pin-file <path>");
    expect(help.out).toContain("Exit codes:");
    expect(unknown).toMatchObject({ code: 2, out: "", err: "agent: Unknown option '--frobnicate'.\n" });
    expect(noLibrary.code).toBe(2);
    expect(noLibrary.err.split("\n").filter((line) => line.startsWith("agent: "))).toHaveLength(1);
    expect(noLibrary.err).toContain("no-library.so");
  });

  it.each([
    ["missing", undefined, "cannot be read (ENOENT)."],
    ["open to everyone", 0o644, "is open to everyone: take the rights of others away (chmod o=)."],
    ["empty", 0o600, "is empty."],
  ])("a PIN file that is %s", async (kind, mode, sentence) => {
    const files = await agentFiles("TOKEN-1");
    if (mode !== undefined) await files.writePin(kind === "empty" ? "\n" : "123456", mode);
    const extra = mode === undefined ? ["--pin-file", join(files.folder, "none")] : [];
    const open = opener(new MemoryToken({ serialNumber: "TOKEN-1" }), [], "123456");
    await expect(start(files, [...MODULE, ...extra], { open })).rejects.toThrow(sentence);
  });

  it("an address in use", async () => {
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, "127.0.0.1", done));
    onEnd(() => new Promise((done) => taken.close(done)));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const files = await agentFiles("TOKEN-1");
    const open = opener(new MemoryToken({ serialNumber: "TOKEN-1" }), [], "123456");
    await expect(start(files, [...MODULE, "--listen", `127.0.0.1:${port}`], { open })).rejects.toThrow(
      `The address 127.0.0.1:${port} of --listen is in use.`,
    );
  });

  it("flags that do not go together", () => {
    const needed = ["--cert", "c", "--key", "k", "--ca", "a", "--pool-uid", "u"];
    expect(() => optionsOf([...needed, "--module", "/m.so"])).toThrow("--pin-file is needed.");
    expect(() => optionsOf([...needed, "--module", "m.so", "--pin-file", "p"])).toThrow("absolute");
    expect(() => optionsOf([...needed, "--module", "/m.so", "--pin-file", "p"])).toThrow("One of --serial");
    expect(() => optionsOf([...needed, "--client", "mock", "--module", "/m.so"])).toThrow("uses no device");
    expect(() => optionsOf([...needed, "--listen", "nowhere"])).toThrow("It must be <host>:<port>.");
  });
});
