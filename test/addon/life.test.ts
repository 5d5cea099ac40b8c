import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeSoftHsmToken, type SoftHsmToken } from "../softhsm.ts";
import { openAt, type TokenPlace } from "./programs/open.ts";

const programs = new URL("./programs/", import.meta.url);

let soft: SoftHsmToken;
let place: TokenPlace;

beforeAll(async () => {
  soft = await makeSoftHsmToken();
  place = {
    modulePath: soft.modulePath,
    serialNumber: soft.serialNumber,
    pin: new TextDecoder().decode(soft.pin),
    folder: soft.folder,
  };
});
afterAll(() => soft.dispose());

async function run(
  program: string,
  args: string[] = [],
  nodeArgs: string[] = [],
): Promise<{ code: number | null; signal: string | null; output: string }> {
  const file = fileURLToPath(new URL(program, programs));
  const child: ChildProcess = spawn(
    process.execPath,
    [...nodeArgs, "--import", "tsx", file, JSON.stringify(place), ...args],
    { env: { ...process.env, ...soft.environment }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code, signal, output };
}

/** A worker that has opened the token, or what it says instead. */
async function startWorker(thenStay: boolean): Promise<{ worker: Worker; message: unknown }> {
  const file = fileURLToPath(new URL("worker.ts", programs));
  const code = `import("tsx/esm/api").then(({ tsImport }) => tsImport(${JSON.stringify(file)}, "file:///"))`;
  const worker = new Worker(code, { eval: true, workerData: { place, thenStay }, execArgv: [] });
  const [message] = (await once(worker, "message")) as [unknown];
  return { worker, message };
}

describe("the life of a token in a process", () => {
  it("does not keep an idle process alive, and leaves the token free", async () => {
    const result = await run("idle.ts");
    expect(result).toEqual({ code: 0, signal: null, output: "opened\n" });
    await (await openAt(place)).close();
  });

  it.each([
    ["exit", 7],
    ["throw", 1],
  ])("survives an end in the middle of writes (%s)", async (how, code) => {
    const result = await run("exit-while-busy.ts", [how]);
    expect({ code: result.code, signal: result.signal }).toEqual({ code, signal: null });
    const token = await openAt(place);
    const { objects } = await token.list();
    const values = await token.read(objects.map(({ id }) => id));
    // Begun calls ended, the rest was dropped: what is there is whole.
    expect(objects.length).toBeGreaterThanOrEqual(3);
    expect(values.every((outcome) => "value" in outcome && outcome.value.length === 1000)).toBe(true);
    await token.apply(objects.map(({ id }) => ({ kind: "destroy", id })));
    await token.close();
  });

  it("closes a token that was forgotten, when it is collected", async () => {
    const result = await run("collect.ts", [], ["--expose-gc"]);
    expect(result).toEqual({ code: 0, signal: null, output: "opened again\n" });
  });

  it("keeps a second process off an open token by its lock file", async () => {
    const token = await openAt(place);
    const result = await run("idle.ts");
    expect(result.code).toBe(1);
    expect(result.output).toMatch(/is in use by another process/);
    await token.close();
  });
});

describe("two environments of one process", () => {
  it("share the library, not the token: the second is refused until the first has closed", async () => {
    const token = await openAt(place);
    const refused = await startWorker(false);
    expect(refused.message).toEqual({ failed: "Busy" });
    await token.close();
    const served = await startWorker(false);
    expect(served.message).toEqual({ objects: 0 });
    await Promise.all([refused.worker.terminate(), served.worker.terminate()]);
  });

  it("a worker that is ended with requests under way gives its token back", async () => {
    for (let round = 0; round < 3; round += 1) {
      const { worker, message } = await startWorker(true);
      expect(message).toEqual({ objects: 0 });
      await worker.terminate();
      const token = await openAt(place);
      expect((await token.list()).objects).toEqual([]);
      await token.close();
    }
  });
});
