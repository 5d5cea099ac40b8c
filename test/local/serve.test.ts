// `npm run local` as a process: what it leaves behind, and what it comes back with.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { SECRETS } from "../../src/kube/resources.ts";
import { HSM_SECRETS, untilObject } from "../../src/local/cluster.ts";
import { identify, parseIdentity, runs } from "../../src/local/process-identity.ts";
import { type LocalRun, runLocal } from "./run-local.ts";

let folder: string;
const started: LocalRun[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "local-serve-"));
});

afterEach(async () => {
  for (const run of started.splice(0)) {
    run.signal("SIGTERM");
    await run.ended;
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function start(): Promise<LocalRun> {
  const run = runLocal(["--state", folder]);
  started.push(run);
  await Promise.race([
    run.lines.until((line) => line.startsWith("Running after")),
    run.ended.then(({ errors }) => Promise.reject(new Error(`it ended: ${errors}`))),
  ]);
  return run;
}

async function children() {
  const files = await readdir(join(folder, "run"));
  const texts = await Promise.all(files.map((file) => readFile(join(folder, "run", file), "utf8")));
  return texts.map(parseIdentity).filter((identity) => identity !== undefined);
}

async function withClient<T>(use: (client: ReturnType<typeof createKubeClient>) => Promise<T>): Promise<T> {
  const connection = await connectionFromKubeconfig({ files: [join(folder, "kubeconfig")] });
  const client = createKubeClient(connection, { userAgent: "tests", fieldManager: "tests" });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

const DEMO = { namespace: "default", name: "demo" };

describe("npm run local", () => {
  let password: string | undefined;

  it("makes the demo, says what to try, stops everything on Ctrl-C", async () => {
    const run = await start();
    const [secret, hsmSecret] = await withClient((client) =>
      Promise.all([client.get(SECRETS, DEMO), client.get(HSM_SECRETS, DEMO)]),
    );
    password = secret.data?.["password"];
    expect(password).toBeDefined();
    expect(hsmSecret.status?.syncStatus).toBe("InSync");
    const running = await children();
    expect(running).toHaveLength(3);
    run.signal("SIGINT");
    const { code, lines, errors } = await run.ended;
    expect([code, errors]).toEqual([0, ""]);
    expect(running.filter(runs)).toEqual([]);
    for (const hint of ["get hsmsec -w", "patch secret demo", "test-hsm.js read secrets/default/demo"]) {
      expect(lines.some((line) => line.includes(hint))).toBe(true);
    }
    // Nothing of the token or its PIN is shown.
    const pin = await readFile(join(folder, "softhsm", "pin"), "utf8");
    expect(lines.join("\n")).not.toContain(pin);
  }, 120_000);

  it("refuses a second instance in the same folder, and comes back after it was killed", async () => {
    const first = await start();
    const second = await runLocal(["--state", folder]).ended;
    expect(second.code).toBe(1);
    expect(second.errors).toContain(`already runs in ${folder} (process ${first.pid})`);
    const orphans = await children();
    first.signal("SIGKILL");
    await first.ended;
    expect(orphans.filter(runs)).toHaveLength(3);
    const third = await start();
    expect(orphans.filter(runs)).toEqual([]);
    const secret = await withClient((client) => client.get(SECRETS, DEMO));
    expect(secret.data?.["password"]).toBe(password);
    expect(third.lines.entries.some((line) => line.includes("wrote secrets/default/demo"))).toBe(false);
  }, 120_000);

  it("starts a program anew that dies, and goes on serving", async () => {
    const run = await start();
    const agent = parseIdentity(await readFile(join(folder, "run", "agent.pid"), "utf8"));
    if (agent === undefined || identify(agent.pid) === undefined) throw new Error("no agent");
    process.kill(agent.pid, "SIGKILL");
    await run.lines.until((line) => line.startsWith("agent is back"));
    await withClient(async (client) => {
      const edit = {
        type: "merge",
        body: { data: { password: Buffer.from("edited").toString("base64") } },
      } as const;
      const before = (await client.get(HSM_SECRETS, DEMO)).status?.hsmGeneration ?? 0;
      await client.patch(SECRETS, DEMO, edit);
      const signal = new AbortController().signal;
      await untilObject(
        client,
        HSM_SECRETS,
        DEMO,
        (object) => (object?.status?.hsmGeneration ?? 0) > before,
        signal,
      );
    });
  }, 120_000);

  it("ends with exit code 2 and one sentence for a flag that it does not know", async () => {
    const { code, errors } = await runLocal(["--nonsense"]).ended;
    expect([code, errors]).toEqual([2, "local: unknown option '--nonsense'; --help names the flags.\n"]);
  });
});
