/** What clients see of single objects: create, read, update, patch, delete. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, eventually, startClient } from "./client.ts";

let client: Client;
const secrets = "/api/v1/namespaces/default/secrets";

beforeAll(async () => {
  client = await startClient();
});
afterAll(() => client.close());

describe("start", () => {
  test("a server without arguments is ready in under 100 ms", async () => {
    const began = performance.now();
    const other = await startClient();
    expect(performance.now() - began).toBeLessThan(100);
    await other.close();
  });
});

describe("secrets", () => {
  test("stringData is written into data and never read back", async () => {
    const { status, body } = await client.call("POST", secrets, {
      metadata: { name: "strings" },
      data: { old: "b2xk" },
      stringData: { new: "näh" },
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ type: "Opaque", data: { old: "b2xk", new: "bsOkaA==" } });
    expect(body).not.toHaveProperty("stringData");
  });

  test("the key __proto__ is a key like any other", async () => {
    const text = '{"metadata":{"name":"proto"},"data":{"__proto__":"eA==","constructor":"eQ=="}}';
    expect((await client.call("POST", secrets, text)).status).toBe(201);
    const { body } = await client.call("GET", `${secrets}/proto`);
    expect(Object.keys(body["data"] as object).sort()).toEqual(["__proto__", "constructor"]);
  });

  test("an update with an old revision is a conflict and changes nothing", async () => {
    const made = await client.call("POST", secrets, { metadata: { name: "rv" }, data: { a: "MQ==" } });
    await client.call("PUT", `${secrets}/rv`, { ...made.body, data: { a: "Mg==" } });
    const late = await client.call("PUT", `${secrets}/rv`, { ...made.body, data: { a: "Mw==" } });
    expect(late).toMatchObject({ status: 409, body: { reason: "Conflict" } });
    expect((await client.call("GET", `${secrets}/rv`)).body).toMatchObject({ data: { a: "Mg==" } });
  });

  test("a write that changes nothing keeps the revision", async () => {
    const made = await client.call("POST", secrets, { metadata: { name: "same" }, data: { a: "MQ==" } });
    const again = await client.call("PUT", `${secrets}/same`, {
      metadata: { name: "same" },
      data: { a: "MQ==" },
    });
    expect(again.body.metadata?.resourceVersion).toBe(made.body.metadata?.resourceVersion);
  });

  test("an immutable Secret keeps its data", async () => {
    await client.call("POST", secrets, { metadata: { name: "fixed" }, immutable: true, data: { a: "MQ==" } });
    const patch = { "content-type": "application/merge-patch+json" };
    const change = await client.call("PATCH", `${secrets}/fixed`, { data: { a: "Mg==" } }, patch);
    expect(change).toMatchObject({ status: 422, body: { reason: "Invalid" } });
  });

  test("more than 3 MiB of body is 413 and the connection lives on", async () => {
    const body = { metadata: { name: "huge" }, stringData: { a: "x".repeat(3 * 1024 * 1024) } };
    expect((await client.call("POST", secrets, body)).status).toBe(413);
    expect((await client.call("GET", secrets)).status).toBe(200);
  });

  test("bad base64 names no value in its message", async () => {
    const { status, body } = await client.call("POST", secrets, {
      metadata: { name: "bad" },
      data: { a: "%hush%" },
    });
    expect(status).toBe(400);
    expect(body.message).not.toContain("hush");
  });
});

describe("deletion", () => {
  test("a finalizer holds the object until it is taken off", async () => {
    await client.call("POST", secrets, { metadata: { name: "held", finalizers: ["x.io/hold"] } });
    const deleted = await client.call("DELETE", `${secrets}/held`);
    expect(deleted.body.metadata).toHaveProperty("deletionTimestamp");
    expect((await client.call("GET", `${secrets}/held`)).status).toBe(200);
    const patch = { "content-type": "application/merge-patch+json" };
    await client.call("PATCH", `${secrets}/held`, { metadata: { finalizers: null } }, patch);
    expect((await client.call("GET", `${secrets}/held`)).status).toBe(404);
  });

  test("a delete for another uid is refused", async () => {
    await client.call("POST", secrets, { metadata: { name: "other" } });
    const options = { preconditions: { uid: "00000000-0000-0000-0000-000000000001" } };
    expect((await client.call("DELETE", `${secrets}/other`, options)).status).toBe(409);
    expect((await client.call("GET", `${secrets}/other`)).status).toBe(200);
  });

  test.each([
    ["Background", 404, 0],
    ["Foreground", 404, 0],
    ["Orphan", 200, 0],
  ])("policy %s: the dependent answers %i afterwards", async (policy, status, references) => {
    const owner = `owner-${policy.toLowerCase()}`;
    const dependent = `dependent-${policy.toLowerCase()}`;
    const made = await client.call("POST", secrets, { metadata: { name: owner } });
    const reference = { apiVersion: "v1", kind: "Secret", name: owner, uid: made.body.metadata?.uid };
    await client.call("POST", secrets, {
      metadata: { name: dependent, ownerReferences: [{ ...reference, blockOwnerDeletion: true }] },
    });
    await client.call("DELETE", `${secrets}/${owner}?propagationPolicy=${policy}`);
    const look = () => client.call("GET", `${secrets}/${owner}`);
    await eventually(look, (answer) => answer.status === 404);
    const settled = await eventually(
      () => client.call("GET", `${secrets}/${dependent}`),
      (answer) =>
        answer.status === status && (answer.body.metadata?.ownerReferences ?? []).length === references,
    );
    expect(settled.status).toBe(status);
  });

  test("a namespace goes with all that is in it, and its name can be used again", async () => {
    const namespaces = "/api/v1/namespaces";
    await client.call("POST", namespaces, { metadata: { name: "short" } });
    await client.call("POST", `${namespaces}/short/secrets`, { metadata: { name: "a" } });
    const account = await client.call("GET", `${namespaces}/short/serviceaccounts/default`);
    expect(account.status).toBe(200);
    expect((await client.call("GET", `${namespaces}/short/configmaps/kube-root-ca.crt`)).status).toBe(200);
    await client.call("DELETE", `${namespaces}/short`);
    const late = await client.call("POST", `${namespaces}/short/secrets`, { metadata: { name: "b" } });
    expect(late).toMatchObject({ status: 403, body: { reason: "Forbidden" } });
    const look = () => client.call("GET", `${namespaces}/short`);
    await eventually(look, (answer) => answer.status === 404);
    expect((await client.call("POST", namespaces, { metadata: { name: "short" } })).status).toBe(201);
    expect((await client.call("GET", `${namespaces}/short/secrets`)).body.items).toEqual([]);
  });
});

describe("server-side apply", () => {
  const apply = { "content-type": "application/apply-patch+yaml" };
  const path = (name: string, manager: string, more = "") =>
    `${secrets}/${name}?fieldManager=${manager}${more}`;
  const secret = (name: string, data: Record<string, string>) =>
    JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name }, data });

  test("what an applier no longer names is removed, what others set stays", async () => {
    await client.call("PATCH", path("ssa", "one"), secret("ssa", { a: "MQ==", b: "Mg==" }), apply);
    await client.call("PATCH", path("ssa", "two"), secret("ssa", { c: "Mw==" }), apply);
    const { body } = await client.call("PATCH", path("ssa", "one"), secret("ssa", { a: "MQ==" }), apply);
    expect(body["data"]).toEqual({ a: "MQ==", c: "Mw==" });
  });

  test("a field of somebody else is a conflict, and force takes it", async () => {
    await client.call("PATCH", path("ssa2", "one"), secret("ssa2", { a: "MQ==" }), apply);
    const other = secret("ssa2", { a: "Mg==" });
    const refused = await client.call("PATCH", path("ssa2", "two"), other, apply);
    expect(refused).toMatchObject({ status: 409, body: { reason: "Conflict" } });
    const forced = await client.call("PATCH", path("ssa2", "two", "&force=true"), other, apply);
    expect(forced).toMatchObject({ status: 200, body: { data: { a: "Mg==" } } });
  });
});
