import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualClock } from "../../test/kube/manual-clock.ts";
import {
  fail,
  json,
  ScriptedServer,
  ScriptedWatch,
  secret,
  secretList,
} from "../../test/kube/scripted-server.ts";
import type { KubeClient, WatchEvent } from "./client.ts";
import { createKubeClientOver } from "./client-over.ts";
import type { Connection } from "./connection.ts";
import { isConflict, isNotFound, isReplaced, KubeError } from "./error.ts";
import { NAMESPACES, SECRETS, type Secret } from "./resources.ts";
import { createSmallTransport } from "./small-transport.ts";
import { createTransport } from "./transport.ts";

describe.each([
  ["undici", createTransport],
  ["node:http", createSmallTransport],
])("over %s", (_carrier, make) => {
  let server: ScriptedServer;
  let client: KubeClient;
  let clock: ManualClock;

  beforeEach(async () => {
    server = await ScriptedServer.start();
    clock = new ManualClock();
    client = clientFor(server.connection);
  });

  afterEach(async () => {
    await client.close();
    await server.close();
  });

  function clientFor(connection: Connection): KubeClient {
    return createKubeClientOver(make(connection), connection, {
      userAgent: "tests/1",
      fieldManager: "tests",
      clock,
      random: () => 0,
    });
  }

  const ref = { namespace: "shop", name: "db" };
  const query = (index: number) => Object.fromEntries(server.requests[index]?.query ?? []);

  async function failure(promise: Promise<unknown>): Promise<KubeError> {
    const error = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof KubeError)) throw new Error(`no KubeError: ${String(error)}`);
    return error;
  }

  describe("requests", () => {
    it("go to the paths of the API, for core and other groups, namespaced and not", async () => {
      server.handler = (_request, answer) => json(answer, secret("db", 1));
      await client.get(SECRETS, ref);
      await client.get(NAMESPACES, { name: "shop" });
      const things = {
        group: "hsm.j5t.io",
        version: "v1alpha1",
        plural: "hsmsecrets",
        kind: "X",
        namespaced: true,
      };
      await client.patch(things, ref, { type: "merge", body: { status: {} } }, { subresource: "status" });
      expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
        "GET /api/v1/namespaces/shop/secrets/db",
        "GET /api/v1/namespaces/shop",
        "PATCH /apis/hsm.j5t.io/v1alpha1/namespaces/shop/hsmsecrets/db/status",
      ]);
    });

    it("carry the media type of each patch, the field manager, and force only for apply", async () => {
      server.handler = (_request, answer) => json(answer, secret("db", 1));
      await client.patch(SECRETS, ref, { type: "json", operations: [{ op: "remove", path: "/data/a" }] });
      await client.patch(SECRETS, ref, { type: "merge", body: { data: { a: null } } });
      await client.patch(SECRETS, ref, { type: "apply", body: {}, force: true }, { fieldManager: "other" });
      expect(server.requests.map(({ headers }) => headers["content-type"])).toEqual([
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
      ]);
      expect([query(0), query(1), query(2)]).toEqual([
        { fieldManager: "tests" },
        { fieldManager: "tests" },
        { fieldManager: "other", force: "true" },
      ]);
      expect(server.requests[1]?.body).toEqual({ data: { a: null } });
    });

    it("refuse a namespaced object without a namespace instead of asking for something else", async () => {
      await expect(client.get(SECRETS, { name: "db" })).rejects.toThrow("needs a namespace");
      expect(server.requests).toHaveLength(0);
    });

    it("delete only what was seen, and tell gone from staying", async () => {
      server.handler = (request, answer) =>
        json(
          answer,
          request.path.endsWith("stays") ? secret("stays", 2) : { kind: "Status", status: "Success" },
        );
      const preconditions = { uid: "u1", resourceVersion: "7" };
      expect(await client.delete(SECRETS, ref, { preconditions })).toBeUndefined();
      expect(server.requests[0]?.body).toMatchObject({ kind: "DeleteOptions", preconditions });
      expect((await client.delete(SECRETS, { namespace: "shop", name: "stays" }))?.metadata.name).toBe(
        "stays",
      );
    });

    it("list in pages, and fill in the kind that lists leave out", async () => {
      server.handler = (request, answer) => {
        const { kind: _kind, apiVersion: _version, ...bare } = secret("db", 1);
        const first = request.query.get("continue") === null;
        json(answer, first ? secretList(9, [bare], "next") : secretList(9, [secret("web", 2)]));
      };
      const page = await client.listAll(SECRETS, { namespace: "shop", labelSelector: "a=b", limit: 1 });
      expect(page.items.map((item) => [item.kind, item.metadata.name])).toEqual([
        ["Secret", "db"],
        ["Secret", "web"],
      ]);
      expect([query(0), query(1)]).toEqual([
        { labelSelector: "a=b", limit: "1" },
        { labelSelector: "a=b", limit: "1", continue: "next" },
      ]);
    });

    it("ask for metadata alone where no data is needed", async () => {
      const partial = {
        kind: "PartialObjectMetadata",
        apiVersion: "meta.k8s.io/v1",
        metadata: secret("db", 1).metadata,
      };
      server.handler = (_request, answer) => json(answer, secretList(1, [partial]));
      const page = await client.list(SECRETS, { metadataOnly: true });
      expect(server.requests[0]?.headers.accept).toContain("as=PartialObjectMetadataList");
      expect(page.items[0]).toMatchObject({ kind: "Secret", apiVersion: "v1" });
    });
  });

  describe("failures", () => {
    it("tell a missing object from an unknown resource", async () => {
      server.handler = (request, answer) => {
        if (request.path.includes("shop")) {
          fail(answer, 404, "NotFound", 'secrets "db" not found', {
            details: { name: "db", kind: "secrets" },
          });
        } else answer.writeHead(404, { "content-type": "text/plain" }).end("404 page not found\n");
      };
      expect(await client.find(SECRETS, ref)).toBeUndefined();
      const error = await failure(client.find(SECRETS, { namespace: "x", name: "db" }));
      expect([error.status, error.reason, isNotFound(error)]).toEqual([404, "NotFound", false]);
      expect(error.message).toContain("404 page not found");
    });

    it("know a lost race by 409, and by the 422 that a patch with a foreign uid gets", async () => {
      server.handler = (request, answer) =>
        request.method === "PUT"
          ? fail(answer, 409, "Conflict", "the object has been modified")
          : fail(answer, 422, "Invalid", "metadata.uid: field is immutable", {
              details: { name: "db", causes: [{ reason: "FieldValueInvalid", field: "metadata.uid" }] },
            });
      const put = await failure(client.update(SECRETS, secret("db", 1)));
      const patched = await failure(client.patch(SECRETS, ref, { type: "merge", body: {} }));
      expect([isConflict(put), isReplaced(put), put.code]).toEqual([true, false, "KUBE_CONFLICT"]);
      expect([isConflict(patched), isReplaced(patched)]).toEqual([true, true]);
    });

    it("wait as long as a busy server asks, then try again", async () => {
      let refusals = 2;
      server.handler = (_request, answer) => {
        refusals -= 1;
        if (refusals < 0) json(answer, secret("db", 1));
        else
          fail(answer, 429, "TooManyRequests", "storage is (re)initializing", {
            headers: { "retry-after": "3" },
          });
      };
      const got = client.get(SECRETS, ref);
      for (const count of [1, 2]) {
        await vi.waitFor(() => expect([server.requests.length, clock.nextDelay]).toEqual([count, 3000]));
        clock.advance(2999);
        expect(server.requests).toHaveLength(count);
        clock.advance(1);
      }
      expect((await got).metadata.name).toBe("db");
    });

    it("give up on a busy server when the deadline would pass", async () => {
      server.handler = (_request, answer) =>
        fail(answer, 429, "TooManyRequests", "later", { headers: { "retry-after": "60" } });
      const error = await failure(client.get(SECRETS, ref, { timeout: 5000 }));
      expect([error.reason, error.retryAfter]).toEqual(["TooManyRequests", 60_000]);
      expect([server.requests.length, clock.pending]).toEqual([1, 0]);
    });

    it("never repeat a write that may have been carried out", async () => {
      server.handler = (_request, answer) => answer.destroy();
      const broken = await failure(client.create(SECRETS, secret("db", 1)));
      server.handler = (_request, answer) => fail(answer, 500, "InternalError", "etcd is away");
      const failed = await failure(client.create(SECRETS, secret("db", 1)));
      expect([broken.reason, failed.reason, server.requests.length]).toEqual([
        "Unreachable",
        "InternalError",
        2,
      ]);
    });

    it("send a read once more when its connection broke", async () => {
      server.handler = (_request, answer) =>
        server.requests.length === 1 ? answer.destroy() : json(answer, secret("db", 1));
      const got = client.get(SECRETS, ref);
      await vi.waitFor(() => expect([server.requests.length, clock.pending]).toEqual([1, 2]));
      clock.advance(0);
      expect((await got).metadata.name).toBe("db");
    });

    it("say so when no answer comes in time, and let go at once when told to", async () => {
      const held: ServerResponse[] = [];
      server.handler = (_request, answer) => held.push(answer);
      const slow = failure(client.get(SECRETS, ref, { timeout: 1000 }));
      await vi.waitFor(() => expect(held).toHaveLength(1));
      clock.advance(1000);
      expect((await slow).reason).toBe("Timeout");
      const stop = new AbortController();
      const stopped = failure(client.get(SECRETS, ref, { signal: stop.signal }));
      await vi.waitFor(() => expect(held).toHaveLength(2));
      stop.abort();
      expect((await stopped).reason).toBe("Aborted");
      expect(clock.pending).toBe(0);
    });

    it("do not take what is no JSON, or no object, for one", async () => {
      server.handler = (_request, answer) => answer.writeHead(200).end("<html>");
      expect((await failure(client.get(SECRETS, ref))).reason).toBe("BadAnswer");
      server.handler = (_request, answer) => json(answer, { hello: "world" });
      expect((await failure(client.get(SECRETS, ref))).reason).toBe("BadAnswer");
      expect((await failure(client.list(SECRETS))).reason).toBe("BadAnswer");
    });

    it("name the server when it is not there", async () => {
      const { connection } = server;
      await server.close();
      const gone = clientFor(connection);
      const error = await failure(gone.get(SECRETS, ref));
      expect(error.message).toContain(connection.server);
      expect([error.status, error.reason]).toEqual([0, "Unreachable"]);
      await gone.close();
    });

    it("renew the token after a 401, once", async () => {
      const asked: boolean[] = [];
      const renewing = clientFor({
        ...server.connection,
        async authorization({ refused = false } = {}) {
          asked.push(refused);
          return refused ? "Bearer new" : "Bearer old";
        },
      });
      server.handler = (request, answer) =>
        request.headers.authorization === "Bearer new"
          ? json(answer, secret("db", 1))
          : fail(answer, 401, "Unauthorized", "Unauthorized");
      expect((await renewing.get(SECRETS, ref)).metadata.name).toBe("db");
      server.handler = (_request, answer) => fail(answer, 401, "Unauthorized", "Unauthorized");
      expect((await failure(renewing.get(SECRETS, ref))).reason).toBe("Unauthorized");
      expect([server.requests.length, asked]).toEqual([4, [false, true, false, true]]);
      await renewing.close();
    });
  });

  describe("watch", () => {
    async function collect(
      stop: AbortController,
      into: WatchEvent<Secret>[],
      resourceVersion = "1",
    ): Promise<void> {
      for await (const event of client.watch(SECRETS, { resourceVersion, signal: stop.signal }))
        into.push(event);
    }

    function nextWatch(): Promise<ScriptedWatch> {
      return new Promise((resolve) => {
        server.handler = (_request, answer) => resolve(new ScriptedWatch(answer));
      });
    }

    it("reads events however the network cuts them, and ends when the server ends it", async () => {
      const events: WatchEvent<Secret>[] = [];
      const opened = nextWatch();
      const done = collect(new AbortController(), events);
      const watch = await opened;
      const line = Buffer.from(
        `${JSON.stringify({ type: "ADDED", object: secret("db", 2, "u", { a: "ü€😀" }) })}\n`,
      );
      for (const byte of line) watch.raw(Uint8Array.of(byte));
      watch.raw(`${JSON.stringify({ type: "DELETED", object: secret("db", 3) })}\n\n{"type":"BOOK`);
      watch.raw(
        'MARK","object":{"metadata":{"resourceVersion":"4","annotations":{"k8s.io/initial-events-end":"true"}}}}\n',
      );
      watch.end();
      await done;
      expect(events.map((event) => event.type)).toEqual(["ADDED", "DELETED", "BOOKMARK"]);
      expect(events[0]).toMatchObject({ object: { data: { a: "ü€😀" } } });
      expect(events[2]).toEqual({ type: "BOOKMARK", resourceVersion: "4", initialEventsEnd: true });
      expect(query(0)).toMatchObject({ watch: "1", allowWatchBookmarks: "true", resourceVersion: "1" });
    });

    it("rejects with Expired for an ERROR event of 410 and for a status of 410", async () => {
      const opened = nextWatch();
      const first = failure(collect(new AbortController(), []));
      (await opened).expire();
      expect([(await first).reason, (await first).status]).toEqual(["Expired", 410]);
      server.handler = (_request, answer) => fail(answer, 410, "Expired", "too old");
      expect((await failure(collect(new AbortController(), []))).reason).toBe("Expired");
    });

    it("ends without an error when told to, and closes its connection", async () => {
      const stop = new AbortController();
      const opened = nextWatch();
      const done = collect(stop, []);
      const watch = await opened;
      stop.abort();
      await done;
      await watch.closed();
    });

    it("closes its connection when its reader leaves the loop", async () => {
      const opened = nextWatch();
      const left = (async () => {
        for await (const event of client.watch(SECRETS, { signal: new AbortController().signal }))
          return event.type;
        return undefined;
      })();
      const watch = await opened;
      watch.send("ADDED", secret("db", 2));
      expect(await left).toBe("ADDED");
      await watch.closed();
    });

    it("rejects when the connection breaks, and gives no half event", async () => {
      const events: WatchEvent<Secret>[] = [];
      const opened = nextWatch();
      const broken = failure(collect(new AbortController(), events));
      const watch = await opened;
      watch.send("ADDED", secret("db", 2));
      watch.raw('{"type":"ADDED","object":{"metadata":{"name":"we');
      await vi.waitFor(() => expect(events).toHaveLength(1));
      watch.break();
      expect((await broken).reason).toBe("Unreachable");
      expect(events).toHaveLength(1);
    });
  });
});
