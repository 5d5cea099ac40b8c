import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { expect, it, vi } from "vitest";
import { buildRecord } from "../../src/hsm/record/build.ts";
import { withCorrelationId } from "../../src/telemetry/correlation.ts";
import { makeSoftHsmToken } from "../softhsm.ts";
import { agentFiles, onEnd } from "./harness.ts";

it("the agent's process logs each step of a write, no value and no PIN, and ends well on SIGTERM", async () => {
  const token = await makeSoftHsmToken({ setEnvironment: false });
  onEnd(() => token.dispose());
  const files = await agentFiles(token.serialNumber);
  const pin = Buffer.from(token.pin).toString();
  await files.writePin(pin);
  const flags = [...files.flags, "--module", token.modulePath, "--log-level", "debug"];
  const child = spawn(process.execPath, ["--import", "tsx", resolve("src/bin/agent.ts"), ...flags], {
    env: { ...process.env, ...token.environment },
  });
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += chunk;
  });
  const ended = new Promise<number | null>((done) => child.once("close", done));
  onEnd(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const lines = (): Record<string, unknown>[] =>
    log
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  await vi.waitUntil(() => log.includes("agent serves"), { timeout: 20_000 });
  const port = Number(lines().find(({ msg }) => msg === "agent serves")?.["port"]);

  const client = files.connect(port);
  const pool = { id: "ab".repeat(16), members: [token.serialNumber], checksumKey: new Uint8Array(32) };
  await client.setPool(pool);
  const value = "correct horse battery staple";
  const { bytes } = buildRecord(
    { path: "secrets/shop/db", current: undefined, keys: [["password", Buffer.from(value)]] },
    {
      pool: Buffer.from(pool.id, "hex"),
      device: token.serialNumber,
      writer: "test",
      now: () => new Date(),
      randomBytes,
    },
  );
  const [result] = await withCorrelationId("write-1", () =>
    client.write([{ path: "secrets/shop/db", record: bytes, expect: { kind: "absent" } }]),
  );
  expect(result).toMatchObject({ status: "written" });
  const steps = lines().filter(({ msg, path }) => msg === "write step" && path === "secrets/shop/db");
  expect(steps.map(({ step }) => step)).toEqual(["creating", "created", "read back"]);
  expect(steps.every((line) => line["generation"] === "1" && line["correlationId"] === "write-1")).toBe(true);

  child.kill("SIGTERM");
  expect(await ended).toBe(0);
  expect(log).not.toContain(value);
  expect(log).not.toContain(Buffer.from(value).toString("base64"));
  expect(log).not.toContain(pin);
});
