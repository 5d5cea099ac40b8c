// Values and the PIN stay where they belong: nothing that the programs print, log, report or are started with shows them.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKubeClient } from "../../src/kube/http-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/kubeconfig.ts";
import { EVENTS, SECRETS } from "../../src/kube/resources.ts";
import { HSM_SECRETS, untilObject } from "../../src/local/cluster.ts";
import { parseIdentity } from "../../src/local/process-identity.ts";
import { type LocalRun, runLocal } from "./run-local.ts";

const CANARIES = [
  "canary-edited-on-the-cluster-7f3a",
  "canary-written-on-the-token-91bc",
  "canary-lost-5d20",
];
/** What holds the values by design: the API server's store and the token itself, with its PIN file. */
const VAULTS = ["apiserver", "softhsm"];
const DEMO = { namespace: "default", name: "demo" };

let folder: string;
let run: LocalRun;

/** The ways in which a value could be printed. */
function forms(value: string): string[] {
  const bytes = Buffer.from(value);
  // Inside a longer base64 text a value starts at one of three alignments: its middle is the same in each.
  const base64 = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .slice(4, -4),
  );
  return [value, bytes.toString("hex"), ...base64];
}

function filesBelow(name: string): string[] {
  if (!existsSync(name)) return [];
  if (!statSync(name).isDirectory()) return statSync(name).isFile() ? [name] : [];
  return readdirSync(name).flatMap((entry) => filesBelow(join(name, entry)));
}

function shows(text: string, secrets: readonly string[]): string[] {
  return secrets.filter((secret) => forms(secret).some((form) => text.includes(form)));
}

const soon = (): AbortSignal => AbortSignal.timeout(30_000);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "local-canary-"));
  run = runLocal(["--state", folder, "--log-level", "trace"]);
  await Promise.race([
    run.lines.until((line) => line.startsWith("Running after")),
    run.ended.then(({ errors }) => Promise.reject(new Error(`it ended: ${errors}`))),
  ]);
}, 120_000);

afterAll(async () => {
  run.signal("SIGTERM");
  await run.ended;
  rmSync(folder, { recursive: true, force: true });
});

/** test-hsm with the flags that local mode prints for a person to try. */
function testHsm(args: readonly string[], values: Readonly<Record<string, string>> = {}) {
  const hint = run.lines.entries.find((line) => line.includes("test-hsm.js read")) ?? "";
  const [, flags = ""] = /test-hsm\.js read \S+(.*)$/.exec(hint) ?? [];
  const inputs = Object.entries(values).flatMap(([key, value]) => {
    const file = join(folder, "softhsm", `input-${key}`);
    writeFileSync(file, value, { mode: 0o600 });
    return ["--from-file", `${key}=${file}`];
  });
  const given = flags
    .trim()
    .split(/\s+/)
    .filter((flag) => flag !== "" && flag !== "--reveal");
  return spawnSync(process.execPath, ["dist/bin/test-hsm.js", ...args, ...inputs, ...given], {
    encoding: "utf8",
  });
}

describe("values and PINs", () => {
  it("are in no log, output, event, status, argument or environment after edits, a conflict and failures", async () => {
    const [edited = "", written = "", lost = ""] = CANARIES;
    const connection = await connectionFromKubeconfig({ files: [join(folder, "kubeconfig")] });
    const client = createKubeClient(connection, { userAgent: "tests", fieldManager: "tests" });
    try {
      const data = { password: Buffer.from(edited).toString("base64") };
      await client.patch(SECRETS, DEMO, { type: "merge", body: { data } });
      await untilObject(
        client,
        HSM_SECRETS,
        DEMO,
        (object) => (object?.status?.hsmGeneration ?? 0) >= 2,
        soon(),
      );

      const wrote = testHsm(["write", "secrets/default/demo"], { password: written });
      expect([wrote.status, wrote.stderr]).toEqual([0, expect.any(String)]);
      await untilObject(
        client,
        SECRETS,
        DEMO,
        (secret) => {
          return Buffer.from(secret?.data?.["password"] ?? "", "base64").toString() === written;
        },
        soon(),
      );

      const pin = readFileSync(join(folder, "softhsm", "pin"), "utf8").trim();
      const secrets = [...CANARIES, pin];
      const failures = [
        testHsm(["write", "secrets/default/demo", "--expect", "77"], { password: lost }),
        testHsm(["write", "_bad/path"], { password: lost }),
        testHsm(["read", "secrets/default/demo"]),
        testHsm(["history", "secrets/default/demo"]),
        testHsm(["list"]),
      ];
      for (const { stdout, stderr } of [wrote, ...failures])
        expect(shows(stdout + stderr, secrets)).toEqual([]);

      const events = await client.list(EVENTS, { namespace: "default" });
      const status = await client.get(HSM_SECRETS, DEMO);
      expect(shows(JSON.stringify([events, status]), secrets)).toEqual([]);
      expect(shows(run.lines.entries.join("\n"), secrets)).toEqual([]);

      const searched = readdirSync(folder).filter((entry) => !VAULTS.includes(entry));
      const leaks = searched
        .flatMap((entry) => filesBelow(join(folder, entry)))
        .filter((file) => shows(readFileSync(file, "latin1"), secrets).length > 0);
      expect(leaks).toEqual([]);
      expect(readFileSync(join(folder, "log", "agent.log"), "utf8")).toContain("secrets/default/demo");

      for (const file of readdirSync(join(folder, "run"))) {
        const child = parseIdentity(readFileSync(join(folder, "run", file), "utf8"));
        for (const source of ["cmdline", "environ"]) {
          expect(shows(readFileSync(`/proc/${child?.pid}/${source}`, "latin1"), secrets)).toEqual([]);
        }
      }
    } finally {
      await client.close();
    }
  }, 120_000);
});
