/** Kills writers of a real token at named steps, and reads after each as any reader would. */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { createPkcs11Client } from "../../src/hsm/store/record-store.ts";
import type { SoftHsmToken } from "../softhsm.ts";
import type { KillOrder } from "./kill-child.ts";
import { content, look, PATH } from "./scenario.ts";

const CHILD = fileURLToPath(new URL("./kill-child.ts", import.meta.url));
const PART_SIZE = 3500;

/** Steps of a write of three parts over one that has a history of its own. */
export const STEPS = [
  "create 1",
  "create 2",
  "create 3",
  "read 2",
  "destroy 1",
  "destroy 2",
  "destroy 3",
].flatMap((name) => [`before ${name}`, `after ${name}`]);

export interface Writer {
  readonly token: SoftHsmToken;
  /** What a reader must see now. */
  content: string;
  /** Numbers the values, so that each write has one of its own. */
  next: number;
}

export function newWriter(token: SoftHsmToken): Writer {
  return { token, content: "absent", next: 1 };
}

/** One write, killed at the step. Returns the last step that the child told. */
export async function writeAndKill(writer: Writer, killAt: string, size: number): Promise<string> {
  const { token } = writer;
  const generation = writer.next;
  writer.next += 1;
  const order: KillOrder = {
    modulePath: token.modulePath,
    serialNumber: token.serialNumber,
    pinFile: token.pinFile,
    folder: token.folder,
    generation,
    size,
    partSize: PART_SIZE,
    killAt,
  };
  const { lines, killed, errors } = await child(order, token);
  const last = lines.at(-1) ?? "";
  expect(killed ? "" : errors).toBe("");
  if (killed) expect(last).toBe(killAt);
  else expect(last).toBe("written");
  const after = `v=${content(generation, size).toString("latin1")}`;
  const seen = await readNow(token);
  if (killed) expect([writer.content, after]).toContain(seen);
  else expect(seen).toBe(after);
  writer.content = seen;
  return last;
}

async function readNow(token: SoftHsmToken): Promise<string> {
  const opened = await openPkcs11Token({
    modulePath: token.modulePath,
    select: { serialNumber: token.serialNumber },
    pin: Uint8Array.from(token.pin),
    partSize: PART_SIZE,
    lockDirectory: token.folder,
    stateDirectory: token.folder,
  });
  const client = await createPkcs11Client(opened);
  try {
    return await look(client, PATH);
  } finally {
    await client.close();
  }
}

async function child(order: KillOrder, token: SoftHsmToken) {
  const process_ = spawn(process.execPath, ["--import", "tsx", CHILD, JSON.stringify(order)], {
    env: { ...process.env, ...token.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  process_.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString("utf8");
  });
  process_.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString("utf8");
  });
  const signal = await new Promise<NodeJS.Signals | null>((resolve, reject) => {
    process_.once("error", reject);
    process_.once("close", (_, by) => resolve(by));
  });
  return { lines: output.trimEnd().split("\n"), killed: signal === "SIGKILL", errors };
}
