import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fail, json, ScriptedServer, secret } from "../../test/kube/scripted-server.ts";
import type { KubeClient } from "./client.ts";
import { addFinalizer, removeFinalizer } from "./finalizers.ts";
import { createKubeClient } from "./http-client.ts";
import { SECRETS, type Secret } from "./resources.ts";

let server: ScriptedServer;
let client: KubeClient;

beforeEach(async () => {
  server = await ScriptedServer.start();
  client = createKubeClient(server.connection, { userAgent: "t", fieldManager: "t" });
});

afterEach(async () => {
  await client.close();
  await server.close();
});

const FINALIZER = "hsm.j5t.io/sync";

function withFinalizers(version: number, finalizers: readonly string[], uid = "u"): Secret {
  const object = secret("db", version, uid);
  return { ...object, metadata: { ...object.metadata, finalizers } };
}

describe("finalizers", () => {
  it("are set by a patch that names the object and the version that were seen, and no spec", async () => {
    server.handler = (_request, answer) => json(answer, withFinalizers(2, ["x", FINALIZER]));
    await addFinalizer(client, SECRETS, withFinalizers(1, ["x"]), FINALIZER);
    expect(server.requests).toMatchObject([
      {
        method: "PATCH",
        body: { metadata: { uid: "u", resourceVersion: "1", finalizers: ["x", FINALIZER] } },
      },
    ]);
    expect(Object.keys(server.requests[0]?.body as object)).toEqual(["metadata"]);
  });

  it("cost no request when nothing changes", async () => {
    const object = withFinalizers(1, [FINALIZER]);
    expect(await addFinalizer(client, SECRETS, object, FINALIZER)).toBe(object);
    await removeFinalizer(client, SECRETS, withFinalizers(1, ["x"]), FINALIZER);
    expect(server.requests).toHaveLength(0);
  });

  it("keep those that somebody else set in between", async () => {
    server.handler = (request, answer) => {
      if (request.method === "GET") json(answer, withFinalizers(5, ["theirs", FINALIZER]));
      else if (server.requests.length === 1) fail(answer, 409, "Conflict", "modified");
      else json(answer, withFinalizers(6, ["theirs"]));
    };
    const result = await removeFinalizer(client, SECRETS, withFinalizers(1, [FINALIZER]), FINALIZER);
    expect(server.requests.at(-1)?.body).toMatchObject({
      metadata: { resourceVersion: "5", finalizers: ["theirs"] },
    });
    expect(result?.metadata.resourceVersion).toBe("6");
  });

  it("never touch another object that took the name", async () => {
    server.handler = (request, answer) =>
      request.method === "GET"
        ? json(answer, withFinalizers(9, [FINALIZER], "other"))
        : fail(answer, 409, "Conflict", "modified");
    expect(await removeFinalizer(client, SECRETS, withFinalizers(1, [FINALIZER]), FINALIZER)).toBeUndefined();
    await expect(addFinalizer(client, SECRETS, withFinalizers(1, []), FINALIZER)).rejects.toThrow("replaced");
    expect(server.requests.map((request) => request.method)).toEqual(["PATCH", "GET", "PATCH", "GET"]);
  });

  it("count as off when the object is gone", async () => {
    server.handler = (_request, answer) =>
      fail(answer, 404, "NotFound", "not found", { details: { name: "db" } });
    expect(await removeFinalizer(client, SECRETS, withFinalizers(1, [FINALIZER]), FINALIZER)).toBeUndefined();
  });
});
