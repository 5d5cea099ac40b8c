// HSMSecret in both directions: the manager's controller, the embedded API server, a pool over a token in memory.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { HSM_SECRETS, type HsmSecretObject } from "../../src/controllers/hsmsecret/resource.ts";
import { EVENTS, SECRETS, type Secret } from "../../src/kube/resources.ts";
import { createWorld, decoded, type World } from "./world.ts";

let world: World;
let namespace: string;
let serial = 0;

beforeAll(async () => {
  world = await createWorld();
});

afterAll(async () => {
  await world.close();
});

beforeEach(async () => {
  serial += 1;
  namespace = `shop-${serial}`;
  await world.namespace(namespace);
});

const path = () => `secrets/${namespace}/db`;

function status(wanted: string, reason?: string) {
  return (object: HsmSecretObject | undefined) =>
    object?.status?.syncStatus === wanted &&
    (reason === undefined ||
      object.status.conditions?.some((condition) => condition.reason === reason) === true);
}

const untilStatus = (wanted: string, reason?: string) =>
  world.until(HSM_SECRETS, namespace, "db", status(wanted, reason));

const untilSecret = (data: Readonly<Record<string, string>>) =>
  world.until(SECRETS, namespace, "db", (secret) => JSON.stringify(decoded(secret)) === JSON.stringify(data));

async function editSecret(data: Readonly<Record<string, string | null>>): Promise<void> {
  const encoded = Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name,
      value === null ? null : Buffer.from(value).toString("base64"),
    ]),
  );
  await world.people.patch(SECRETS, { namespace, name: "db" }, { type: "merge", body: { data: encoded } });
}

async function annotate(annotations: Readonly<Record<string, string>>): Promise<void> {
  const body = { metadata: { annotations } };
  await world.people.patch(HSM_SECRETS, { namespace, name: "db" }, { type: "merge", body });
}

async function synced(data: Readonly<Record<string, string>>, spec: object = {}): Promise<void> {
  await world.writeToken(path(), data);
  await world.hsmSecret(namespace, "db", spec);
  await untilStatus("InSync");
  expect(decoded(await world.secret(namespace, "db"))).toEqual(data);
}

/** True once the token holds this; woken by the HSMSecret's status, which follows each write. */
async function untilToken(expected: unknown): Promise<void> {
  await world.until(
    HSM_SECRETS,
    namespace,
    "db",
    (object) => object !== undefined && status("InSync")(object),
  );
  await expect.poll(() => world.readToken(path()), { timeout: 10_000 }).toEqual(expected);
}

describe("one secret travels both ways", () => {
  it("from the token to the Secret, an edit back to the token, and the token's next change to the Secret", async () => {
    await synced({ user: "app", password: "one" });
    const created = await world.secret(namespace, "db");
    expect(created?.metadata.ownerReferences).toMatchObject([{ kind: "HSMSecret", name: "db" }]);
    expect(created?.metadata.labels).toMatchObject({
      "app.kubernetes.io/managed-by": "hsm-secrets-operator",
    });

    await editSecret({ password: "two", user: null });
    await untilToken({ password: "two" });
    await world.until(HSM_SECRETS, namespace, "db", (object) => object?.status?.hsmGeneration === 2);

    await world.writeToken(path(), { password: "three", extra: "" });
    await untilSecret({ password: "three", extra: "" });
    const done = await world.until(
      HSM_SECRETS,
      namespace,
      "db",
      (object) => object?.status?.hsmGeneration === 3,
    );
    expect(done?.status).toMatchObject({ syncStatus: "InSync", observedGeneration: 1 });
    expect(done?.status?.hsmChecksum).toBe(done?.status?.secretChecksum);
  });

  it("keeps binary values and names that JavaScript knows", async () => {
    const bytes = Buffer.from([0, 255, 128, 10]).toString("base64");
    await synced({ constructor: "c", a: "b" });
    await world.people.patch(
      SECRETS,
      { namespace, name: "db" },
      { type: "json", operations: [{ op: "add", path: "/data/__proto__", value: bytes }] },
    );
    await world.until(HSM_SECRETS, namespace, "db", (object) => object?.status?.hsmGeneration === 2);
    const read = await world.token.read(path());
    const keys = read.state === "present" ? new Map(read.record.keys) : new Map<string, Uint8Array>();
    expect([...keys.keys()]).toEqual(["__proto__", "a", "constructor"]);
    expect(Buffer.from(keys.get("__proto__") ?? []).toString("base64")).toBe(bytes);
  });

  it("a Secret that was deleted comes back; a deletion on the token takes the Secret with it", async () => {
    await synced({ a: "1" });
    await world.people.delete(SECRETS, { namespace, name: "db" });
    await untilSecret({ a: "1" });
    await untilStatus("InSync");
    await world.writeToken(path(), null);
    await world.until(SECRETS, namespace, "db", (secret) => secret === undefined);
    await untilStatus("Pending", "Deleted");
    await world.writeToken(path(), { a: "2" });
    await untilSecret({ a: "2" });
  });

  it("goes on after a restart of the manager, with what changed meanwhile", async () => {
    await synced({ a: "1" });
    await editSecret({ a: "2" });
    await world.restart();
    await untilToken({ a: "2" });
  });
});

describe("a conflict", () => {
  it("is reported and nothing is written, until a person resolves it", async () => {
    await world.writeToken(path(), { a: "base" });
    await world.hsmSecret(namespace, "db", { autoSync: false });
    await annotate({ "hsm.j5t.io/sync-now": "1" });
    // The answer comes after the status: only then is neither side carried over any more.
    await world.until(
      HSM_SECRETS,
      namespace,
      "db",
      (object) => object?.metadata.annotations?.["hsm.j5t.io/sync-now-done"] === "1",
    );
    await world.writeToken(path(), { a: "token" });
    await editSecret({ a: "secret" });
    await annotate({ "hsm.j5t.io/sync-now": "2" });
    const reported = await untilStatus("OutOfSync", "BothChanged");
    expect(reported?.status?.conditions?.find(({ type }) => type === "Conflict")).toMatchObject({
      status: "True",
    });
    expect(await world.readToken(path())).toEqual({ a: "token" });
    expect(decoded(await world.secret(namespace, "db"))).toEqual({ a: "secret" });

    await annotate({ "hsm.j5t.io/resolve": "hsm", "hsm.j5t.io/sync-now": "3" });
    await untilSecret({ a: "token" });
    const settled = await untilStatus("InSync");
    expect(await world.readToken(path())).toEqual({ a: "token" });
    const history = await world.token.history(path());
    const kept = await Promise.all(history.map(({ generation }) => world.token.read(path(), { generation })));
    const values = kept.map((read) =>
      read.state === "present" ? Buffer.from(read.record.keys[0]?.[1] ?? "").toString() : "",
    );
    expect(values).toContain("secret");
    expect(settled?.status?.conditions?.find(({ type }) => type === "Conflict")).toMatchObject({
      status: "False",
    });
    await world.until(
      HSM_SECRETS,
      namespace,
      "db",
      (object) => object?.metadata.annotations?.["hsm.j5t.io/resolve"] === undefined,
    );
  });
});

describe("deleting an HSMSecret", () => {
  it("with Retain takes the Secret and leaves the token", async () => {
    await synced({ a: "1" });
    await world.people.delete(HSM_SECRETS, { namespace, name: "db" });
    await world.until(HSM_SECRETS, namespace, "db", (object) => object === undefined);
    await world.until(SECRETS, namespace, "db", (secret) => secret === undefined);
    expect(await world.readToken(path())).toEqual({ a: "1" });
  });

  it("with Delete deletes on the token too", async () => {
    await synced({ a: "1" }, { deletionPolicy: "Delete" });
    await world.people.delete(HSM_SECRETS, { namespace, name: "db" });
    await world.until(HSM_SECRETS, namespace, "db", (object) => object === undefined);
    expect(await world.readToken(path())).toBe("deleted");
    expect(await world.secret(namespace, "db")).toBeUndefined();
  });

  it("keeps the Secret with secretDeletionPolicy Retain, free of our marks", async () => {
    await synced({ a: "1" }, { secretDeletionPolicy: "Retain" });
    expect((await world.secret(namespace, "db"))?.metadata.ownerReferences ?? []).toEqual([]);
    await world.people.delete(HSM_SECRETS, { namespace, name: "db" });
    await world.until(HSM_SECRETS, namespace, "db", (object) => object === undefined);
    const kept: Secret | undefined = await world.secret(namespace, "db");
    expect(decoded(kept)).toEqual({ a: "1" });
    expect(kept?.metadata.labels ?? {}).not.toHaveProperty("managed-by");
  });
});

describe("what is not ours", () => {
  it("a foreign Secret stays as it is, also when the HSMSecret goes, until adopt is set", async () => {
    const foreign = await world.people.create(SECRETS, {
      metadata: { namespace, name: "db" },
      data: { a: Buffer.from("theirs").toString("base64") },
    });
    await world.writeToken(path(), { a: "ours" });
    await world.hsmSecret(namespace, "db");
    await untilStatus("Error", "SecretExists");
    expect(await world.secret(namespace, "db")).toEqual(foreign);
    await world.people.delete(HSM_SECRETS, { namespace, name: "db" });
    await world.until(HSM_SECRETS, namespace, "db", (object) => object === undefined);
    expect(await world.secret(namespace, "db")).toEqual(foreign);
    expect(await world.readToken(path())).toEqual({ a: "ours" });
  });

  it("a path of another namespace is refused and never read", async () => {
    await world.writeToken("secrets/elsewhere/db", { a: "theirs" });
    await world.hsmSecret(namespace, "db", { hsmPath: "secrets/elsewhere/db" });
    await untilStatus("Error", "PathNotAllowed");
    expect(await world.secret(namespace, "db")).toBeUndefined();
  });

  it("one of two HSMSecrets on one path is refused, and takes over when the other goes", async () => {
    await synced({ a: "1" });
    await world.hsmSecret(namespace, "later", { hsmPath: path() });
    // Made within one second, their UIDs say which counts as the elder.
    const refused = await Promise.race(
      ["db", "later"].map((name) =>
        world.until(HSM_SECRETS, namespace, name, status("Error", "PathNotAllowed")),
      ),
    );
    const younger = refused?.metadata.name ?? "";
    await world.people.delete(HSM_SECRETS, { namespace, name: younger === "db" ? "later" : "db" });
    await world.until(HSM_SECRETS, namespace, younger, status("InSync"));
    expect(decoded(await world.secret(namespace, younger))).toEqual({ a: "1" });
  });
});

describe("calls", () => {
  it("nothing changed: a reconcile writes nothing, and a metadata change of the Secret writes nothing", async () => {
    await synced({ a: "1" });
    await world.until(HSM_SECRETS, namespace, "db", (object) => object?.status?.syncStatus === "InSync");
    const before = world.writes.length;
    const reconciles = world.reconciles();
    const body = { metadata: { labels: { touched: "yes" } } };
    await world.people.patch(SECRETS, { namespace, name: "db" }, { type: "merge", body });
    await expect.poll(() => world.reconciles()).toBeGreaterThan(reconciles);
    await annotateNothing();
    expect(world.writes.slice(before)).toEqual([]);
  });

  /** One more reconcile, to be sure that the one before is through with its writes. */
  async function annotateNothing(): Promise<void> {
    const reconciles = world.reconciles();
    const body = { metadata: { labels: { touched: "again" } } };
    await world.people.patch(HSM_SECRETS, { namespace, name: "db" }, { type: "merge", body });
    await expect.poll(() => world.reconciles()).toBeGreaterThan(reconciles);
  }

  it("a change on the token costs one write of the Secret and one of the status", async () => {
    await synced({ a: "1" });
    const before = world.writes.length;
    await world.writeToken(path(), { a: "2" });
    await world.until(HSM_SECRETS, namespace, "db", (object) => object?.status?.hsmGeneration === 2);
    await annotateNothing();
    expect(world.writes.slice(before)).toEqual(["patch secrets", "patch hsmsecrets"]);
  });

  it("tells what it did by events", async () => {
    await synced({ a: "1" });
    await expect
      .poll(async () => {
        const page = await world.people.listAll(EVENTS, { namespace });
        return page.items.map((event) => (event as unknown as { reason: string }).reason);
      })
      .toEqual(expect.arrayContaining(["SecretCreated", "InSync"]));
  });
});
