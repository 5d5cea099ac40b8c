import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeSoftHsmToken, type SoftHsmToken } from "../softhsm.ts";
import { makeStubToken } from "../stub.ts";
import { openAt, type TokenPlace } from "./programs/open.ts";

const ENVIRONMENTS = 20;
// The compiled program: twenty environments that compile TypeScript each would test the compiler.
const dist = new URL("../../dist/", import.meta.url);

let soft: SoftHsmToken;
let place: TokenPlace;
beforeAll(async () => {
  if (!existsSync(fileURLToPath(dist))) throw new Error("dist/ is missing: run `node scripts/setup.mjs`");
  soft = await makeSoftHsmToken();
  place = {
    modulePath: soft.modulePath,
    serialNumber: soft.serialNumber,
    pin: new TextDecoder().decode(soft.pin),
    folder: soft.folder,
  };
});
afterAll(() => soft.dispose());

/** Waits its turn for the token, writes one object, and hashes and lists slots beside that. */
const PROGRAM = `
const { parentPort, workerData } = require("node:worker_threads");
const { place, dist, name, stay } = workerData;
(async () => {
  const { openPkcs11Token } = await import(dist + "hsm/pkcs11/token.js");
  const { loadAddon } = await import(dist + "addon.js");
  const addon = loadAddon();
  const digest = Buffer.from(addon.sha256(new TextEncoder().encode("abc"))).toString("hex");
  const slots = await addon.listTokens(place.modulePath, 60000);
  for (;;) {
    try {
      const token = await openPkcs11Token({
        modulePath: place.modulePath,
        select: { serialNumber: place.serialNumber },
        pin: new TextEncoder().encode(place.pin),
        deviceType: "SoftHSM",
        lockDirectory: place.folder + "/lock",
        stateDirectory: place.folder + "/state",
      });
      const value = new TextEncoder().encode(name);
      const [made] = await token.apply([{ kind: "create", label: name, application: "test", value }]);
      if (stay) {
        parentPort.postMessage({ staying: name });
        for (;;) await token.refresh();
      }
      await token.close();
      parentPort.postMessage({ digest, slots: slots.length, made: made.kind });
      return;
    } catch (error) {
      if (error.class !== "Busy") throw error;
      await new Promise((done) => setTimeout(done, 2));
    }
  }
})().catch((error) => parentPort.postMessage({ failed: String(error) }));
`;

function start(name: string, stay = false): Worker {
  return new Worker(PROGRAM, {
    eval: true,
    workerData: { place, dist: dist.href, name, stay },
    execArgv: [],
  });
}

async function namesOnToken(): Promise<(string | null)[]> {
  const token = await openAt(place);
  const { objects } = await token.list();
  await token.apply(objects.map(({ id }) => ({ kind: "destroy", id })));
  await token.close();
  return objects.map(({ label }) => label).sort();
}

describe(`${ENVIRONMENTS} environments of one process`, { timeout: 120_000 }, () => {
  it("each gets its turn with the token, and each gets the right answers", async () => {
    const names = Array.from({ length: ENVIRONMENTS }, (_, i) => `env-${String(i).padStart(2, "0")}`);
    const answers = await Promise.all(
      names.map(async (name) => {
        const worker = start(name);
        const [message] = (await once(worker, "message")) as [unknown];
        await worker.terminate();
        return message;
      }),
    );
    const digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    // The token and the free slot that SoftHSM2 always shows.
    expect(answers).toEqual(names.map(() => ({ digest, slots: 2, made: "created" })));
    expect(await namesOnToken()).toEqual(names);
  });

  it("all ended in the middle, one of them with the token, leave the token free and whole", async () => {
    const workers = Array.from({ length: ENVIRONMENTS }, (_, i) => start(`ended-${i}`, true));
    const staying = await Promise.race(
      workers.map(async (worker) => {
        const [message] = (await once(worker, "message")) as [{ staying: string }];
        return message.staying;
      }),
    );
    await Promise.all(workers.map((worker) => worker.terminate()));
    // Another may have had its turn between two that were ended.
    const names = await namesOnToken();
    expect(names).toContain(staying);
    expect(names.every((name) => name?.startsWith("ended-"))).toBe(true);
  });
});

describe("a process that ends while a PIN is being changed", { timeout: 60_000 }, () => {
  it.each([
    ["process.exit(7)", 7],
    ["(() => { throw new Error('in the middle'); })()", 1],
  ])("ends (%s) although the call into the library hangs", async (end, code) => {
    const stub = await makeStubToken();
    try {
      await stub.control("fault C_SetPIN hang=600000");
      const program = `
        const { changeUserPin } = await import(${JSON.stringify(`${dist.href}hsm/pkcs11/provision.js`)});
        const bytes = (text) => new TextEncoder().encode(text);
        changeUserPin({
          modulePath: ${JSON.stringify(stub.modulePath)},
          select: { serialNumber: ${JSON.stringify(stub.serialNumber)} },
          oldPin: bytes("648219"), newPin: bytes("314159"), limit: 1500,
          lockDirectory: ${JSON.stringify(`${stub.folder}/lock`)}, stateDirectory: ${JSON.stringify(`${stub.folder}/state`)},
        }).catch((error) => {
          console.log(error.class);
          ${end};
        });`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
        env: { ...process.env, ...stub.env },
        stdio: ["ignore", "pipe", "ignore"],
      });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
      const [ended] = (await once(child, "close")) as [number | null];
      expect({ ended, output }).toEqual({ ended: code, output: "Timeout\n" });
    } finally {
      await stub.dispose();
    }
  });
});
