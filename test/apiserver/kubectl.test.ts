/** A real kubectl against the server, on Secrets and on the kinds of CustomResourceDefinitions. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { type KubectlOptions, type KubectlResult, kubectl, kubectlPath } from "../kubectl.ts";
import { type Client, startClient } from "./client.ts";

const CRDS = fileURLToPath(new URL("../../crds/", import.meta.url));

let client: Client;
let folder = "";
let kubeconfig = "";

const run = (args: readonly string[], options: KubectlOptions = {}): Promise<KubectlResult> =>
  kubectl(args, { ...options, env: { KUBECONFIG: kubeconfig, ...options.env } });

/** Runs a command that must succeed and answers its output. */
async function ok(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
  const { exit, stdout, stderr } = await run(args, options);
  expect(`${stderr}exit ${exit}`).toMatch(/exit 0$/);
  return stdout;
}

const hsmSecret = (name: string, spec: object = {}): string =>
  JSON.stringify({ apiVersion: "hsm.j5t.io/v1alpha1", kind: "HSMSecret", metadata: { name }, spec });

beforeAll(async () => {
  await kubectlPath();
  client = await startClient();
  folder = mkdtempSync(join(tmpdir(), "kubectl-test-"));
  kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, client.server.kubeconfig());
  for (const file of readdirSync(CRDS)) {
    await ok(["apply", "-f", "-"], { stdin: readFileSync(join(CRDS, file), "utf8") });
  }
  await ok(["wait", "crd", "--all", "--for=condition=Established", "--timeout=10s"]);
}, 120_000);
afterAll(async () => {
  await client.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("kubectl on Secrets", () => {
  test("create secret, then get shows it with its type and number of keys", async () => {
    expect(
      await ok(["create", "secret", "generic", "made", "--from-literal=a=1", "--from-literal=b=2"]),
    ).toBe("secret/made created\n");
    expect(await ok(["get", "secret", "made"])).toMatch(/^NAME +TYPE +DATA +AGE\nmade +Opaque +2 +\d+s\n$/);
  });

  test("get -o yaml gives a document that can be applied again", async () => {
    await ok(["create", "secret", "generic", "round", "--from-literal=a=1"]);
    const text = await ok(["get", "secret", "round", "-o", "yaml"]);
    expect(parseAllDocuments(text)[0]?.toJS()).toMatchObject({ kind: "Secret", data: { a: "MQ==" } });
    expect(await ok(["apply", "-f", "-"], { stdin: text })).toMatch(
      /^secret\/round (configured|unchanged)\n$/,
    );
  });

  test("get -w prints changes as they come", async () => {
    const stop = new AbortController();
    let seen = "";
    const watching = run(["get", "secrets", "-w", "--no-headers"], {
      signal: stop.signal,
      onStdout: (text) => {
        seen += text;
        if (/^watched /m.test(seen)) stop.abort();
      },
    });
    await ok(["create", "secret", "generic", "watched", "--from-literal=a=1"]);
    await watching;
    expect(seen).toMatch(/^watched +Opaque +1/m);
  });

  test("describe shows keys and sizes, no values", async () => {
    await ok(["create", "secret", "generic", "described", "--from-literal=key=hush"]);
    const text = await ok(["describe", "secret", "described"]);
    expect(text).toMatch(/key: +4 bytes/);
    expect(text).not.toContain("hush");
  });

  test("apply creates, changes, and removes what is left out", async () => {
    const secret = (data: object): string =>
      JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name: "applied" }, stringData: data });
    await ok(["apply", "-f", "-"], { stdin: secret({ a: "1" }) });
    const side = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    const configured = JSON.stringify({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "applied" },
      data: { b: "Mg==" },
    });
    expect(await ok(side, { stdin: configured })).toContain("serverside-applied");
    const data = await ok(["get", "secret", "applied", "-o", "jsonpath={.data.b}"]);
    expect(data).toBe("Mg==");
  });

  test.each([
    ["merge", '{"data":{"p":"MQ=="}}'],
    ["strategic", '{"data":{"p":"MQ=="}}'],
    ["json", '[{"op":"add","path":"/data/p","value":"MQ=="}]'],
  ])("patch --type=%s changes the data", async (type, patch) => {
    const name = `patch-${type}`;
    await ok(["create", "secret", "generic", name, "--from-literal=a=1"]);
    await ok(["patch", "secret", name, `--type=${type}`, "-p", patch]);
    expect(await ok(["get", "secret", name, "-o", "jsonpath={.data.p}"])).toBe("MQ==");
  });

  test("edit saves what the editor changed", async () => {
    await ok(["create", "secret", "generic", "edited", "--from-literal=a=1"]);
    const editor = join(folder, "editor.sh");
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/a: MQ==/a: Mg==/" "$1"\n', { mode: 0o755 });
    expect(await ok(["edit", "secret", "edited"], { env: { EDITOR: editor } })).toContain("edited");
    expect(await ok(["get", "secret", "edited", "-o", "jsonpath={.data.a}"])).toBe("Mg==");
  });

  test("delete removes it, and says when it is not there", async () => {
    await ok(["create", "secret", "generic", "gone", "--from-literal=a=1"]);
    expect(await ok(["delete", "secret", "gone"])).toContain('secret "gone" deleted');
    const again = await run(["delete", "secret", "gone"]);
    expect(again).toMatchObject({
      exit: 1,
      stderr: 'Error from server (NotFound): secrets "gone" not found\n',
    });
  });

  test("explain prints the documentation of a field", async () => {
    expect(await ok(["explain", "secret.immutable"])).toContain(
      "ensures that data stored in the Secret cannot",
    );
  });
});

describe("kubectl on custom resources", () => {
  test("get by the short name shows the printer columns", async () => {
    await ok(["apply", "-f", "-"], { stdin: hsmSecret("columns") });
    const text = await ok(["get", "hsmsec", "columns"]);
    expect(text).toMatch(/^NAME +SECRET +STATUS +GENERATION +LAST SYNC +AGE\ncolumns /);
  });

  test("get -o yaml shows the defaults of the schema", async () => {
    await ok(["apply", "-f", "-"], { stdin: hsmSecret("defaults") });
    const document = parseAllDocuments(await ok(["get", "hsmsec", "defaults", "-o", "yaml"]))[0]?.toJS();
    expect(document).toMatchObject({
      spec: { autoSync: true, direction: "Bidirectional", syncInterval: 300 },
    });
  });

  test("get -w prints changes as they come", async () => {
    const stop = new AbortController();
    let seen = "";
    const watching = run(["get", "hsmsec", "-w", "--no-headers"], {
      signal: stop.signal,
      onStdout: (text) => {
        seen += text;
        if (/^watched /m.test(seen)) stop.abort();
      },
    });
    await ok(["apply", "-f", "-"], { stdin: hsmSecret("watched") });
    await watching;
    expect(seen).toMatch(/^watched /m);
  });

  test("describe shows the spec", async () => {
    await ok(["apply", "-f", "-"], { stdin: hsmSecret("described") });
    expect(await ok(["describe", "hsmsec", "described"])).toMatch(/Sync Interval: +300/);
  });

  test("apply and patch change the spec and raise the generation; delete removes it", async () => {
    await ok(["apply", "-f", "-"], { stdin: hsmSecret("changing") });
    await ok(["apply", "-f", "-"], { stdin: hsmSecret("changing", { syncInterval: 60 }) });
    await ok(["patch", "hsmsec", "changing", "--type=merge", "-p", '{"spec":{"autoSync":false}}']);
    const path = "jsonpath={.metadata.generation} {.spec.syncInterval} {.spec.autoSync}";
    expect(await ok(["get", "hsmsec", "changing", "-o", path])).toBe("3 60 false");
    expect(await ok(["delete", "hsmsec", "changing"])).toContain("deleted");
  });

  test("edit saves what the editor changed", async () => {
    await ok(["apply", "-f", "-"], { stdin: hsmSecret("edited") });
    const editor = join(folder, "cr-editor.sh");
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/syncInterval: 300/syncInterval: 30/" "$1"\n', {
      mode: 0o755,
    });
    await ok(["edit", "hsmsec", "edited"], { env: { EDITOR: editor } });
    expect(await ok(["get", "hsmsec", "edited", "-o", "jsonpath={.spec.syncInterval}"])).toBe("30");
  });

  test("a value against the schema is refused with its field", async () => {
    const { exit, stderr } = await run(["apply", "-f", "-"], {
      stdin: hsmSecret("bad", { syncInterval: 1 }),
    });
    expect(exit).toBe(1);
    expect(stderr).toContain("spec.syncInterval");
  });

  test("an unknown field is refused before it is stored", async () => {
    const { exit, stderr } = await run(["apply", "-f", "-"], { stdin: hsmSecret("bad", { nope: 1 }) });
    expect(exit).toBe(1);
    expect(stderr).toContain('unknown field "spec.nope"');
  });

  test.each(["hsmsecret.spec.syncInterval", "hsmdevice.spec", "hsmpool.status"])(
    "explain %s",
    async (field) => {
      expect(await ok(["explain", field])).toContain("DESCRIPTION:");
    },
  );

  test("every kind can be made, listed and deleted", async () => {
    const device = {
      apiVersion: "hsm.j5t.io/v1alpha1",
      kind: "HSMDevice",
      metadata: { name: "d" },
      spec: { deviceType: "SoftHSM", discovery: { autoDiscovery: true } },
    };
    await ok(["apply", "-f", "-"], { stdin: JSON.stringify(device) });
    expect(await ok(["get", "hsmdevices"])).toMatch(/^NAME +TYPE/);
    const pool = {
      apiVersion: "hsm.j5t.io/v1alpha1",
      kind: "HSMPool",
      metadata: { name: "d-pool" },
      spec: { hsmDeviceRefs: ["d"] },
    };
    await ok(["apply", "-f", "-"], { stdin: JSON.stringify(pool) });
    expect(await ok(["get", "hsmpools"])).toMatch(/^NAME +PHASE/);
    await ok(["delete", "hsmdevice/d", "hsmpool/d-pool"]);
  });
});
