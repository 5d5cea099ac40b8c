import type { ServerResponse } from "node:http";
import { createServer, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { DeviceEvent, ListEntry, Listing, WriteRequest } from "../../src/hsm/client.ts";
import { HsmError } from "../../src/hsm/errors.ts";
import { MAX_REQUEST_BYTES, PAGE_SIZE } from "../../src/rpc/contract.ts";
import { TlsHolder } from "../../src/rpc/material.ts";
import { correlationId, withCorrelationId } from "../../src/telemetry/correlation.ts";
import { agentLeaf, authority, connect, managerLeaf, material, startPair } from "./harness.ts";
import { INFO, stubClient } from "./stub-client.ts";

const never = (): Promise<never> => new Promise(() => {});

function listing(count: number, version = "1"): Listing {
  const entry = (index: number): ListEntry => ({
    path: `secrets/a/${index}`,
    kind: "record",
    generation: 1,
    digest: "00".repeat(16),
    state: "live",
    objects: 1,
    records: 1,
    conflict: false,
  });
  return {
    entries: Array.from({ length: count }, (_, index) => entry(index)),
    problems: [{ label: "x", reason: "Corrupt", message: "It is corrupt." }],
    version,
    objectsUsed: count,
    objectCapacity: 4096,
  };
}

describe("a token that does not answer", () => {
  it("ends a call at the deadline and holds up no other agent", async () => {
    const hung = await startPair(stubClient({ info: never }), {
      server: { deadlines: { read: 300, write: 300 } },
    });
    const healthy = await startPair(stubClient({}));
    const waiting = Array.from({ length: 40 }, () => hung.client.info().catch((error: unknown) => error));
    expect(await healthy.client.info()).toEqual(INFO);
    for (const error of await Promise.all(waiting)) {
      expect(error).toMatchObject({ class: "Timeout", message: "The token did not answer within 0.3 s." });
    }
  });

  it("is left by the manager's own deadline when the agent says nothing either", async () => {
    const { client } = await startPair(stubClient({ info: never }), {
      client: { deadlines: { read: 100, write: 100 } },
    });
    await expect(client.info()).rejects.toMatchObject({ class: "Timeout", operation: "info" });
  });

  it("learns that the caller has gone", async () => {
    let seen: AbortSignal | undefined;
    const info = async (options?: { readonly signal?: AbortSignal | undefined }) => {
      seen = options?.signal;
      return never();
    };
    const { client } = await startPair(stubClient({ info }));
    const controller = new AbortController();
    const call = client.info({ signal: controller.signal });
    await vi.waitUntil(() => seen !== undefined);
    controller.abort(new Error("no longer needed"));
    await expect(call).rejects.toThrow("no longer needed");
    await vi.waitUntil(() => seen?.aborted === true);
  });
});

describe("errors of the token", () => {
  it("arrive with class, operation and return value", async () => {
    const list = async (): Promise<never> => {
      throw new HsmError("PinLocked", "The PIN is locked.", {
        operation: "C_Login",
        ckrName: "CKR_PIN_LOCKED",
        ckrCode: 0xa4,
      });
    };
    const { client } = await startPair(stubClient({ list }));
    await expect(client.list()).rejects.toMatchObject({
      class: "PinLocked",
      message: "The PIN is locked.",
      operation: "C_Login",
      ckrName: "CKR_PIN_LOCKED",
      ckrCode: 0xa4,
    });
  });

  it("that nobody foresaw say nothing of what they hold", async () => {
    const list = async (): Promise<never> => {
      throw new Error("value was hunter2");
    };
    const { client } = await startPair(stubClient({ list }));
    const error = await client.list().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ class: "Internal", message: "The agent failed; its log says how." });
    expect(String(error)).not.toContain("hunter2");
  });

  it("come under the caller's correlation id", async () => {
    let seen: string | undefined;
    const info = async () => {
      seen = correlationId();
      return INFO;
    };
    const { client } = await startPair(stubClient({ info }));
    await withCorrelationId("request-7", () => client.info());
    expect(seen).toBe("request-7");
  });
});

describe("large things", () => {
  it("listings arrive whole, in pages of one snapshot", async () => {
    const whole = listing(2 * PAGE_SIZE + 7);
    let lists = 0;
    const list = async () => {
      lists += 1;
      return lists === 1 ? whole : listing(1, "2");
    };
    const { client } = await startPair(stubClient({ list }));
    expect(await client.list()).toEqual(whole);
  });

  it("a batch of writes larger than a request is split and every result comes back in order", async () => {
    const sizes: number[] = [];
    const write = async (requests: readonly WriteRequest[]) => {
      sizes.push(requests.length);
      return requests.map((request) => ({
        status: "written" as const,
        generation: request.record.length,
        digest: request.path,
      }));
    };
    const { client } = await startPair(stubClient({ write }));
    const requests = Array.from({ length: 9 }, (_, index) => ({
      path: `secrets/a/${index}`,
      record: new Uint8Array(1_000_000 + index),
      expect: { kind: "any" as const },
    }));
    const results = await client.write(requests);
    expect(
      results.map((result) => (result.status === "written" ? result.generation : result.status)),
    ).toEqual(requests.map((request) => request.record.length));
    expect(sizes).toEqual([3, 3, 3]);
  });

  it("a record that fits into no request fails alone", async () => {
    const write = async (requests: readonly WriteRequest[]) =>
      requests.map(() => ({ status: "written" as const, generation: 1, digest: "" }));
    const { client } = await startPair(stubClient({ write }));
    const expectation = { kind: "any" as const };
    const results = await client.write([
      { path: "secrets/a/b", record: new Uint8Array(MAX_REQUEST_BYTES), expect: expectation },
      { path: "secrets/a/c", record: new Uint8Array(1), expect: expectation },
    ]);
    expect(results).toMatchObject([
      { status: "failed", error: { class: "TooLarge" } },
      { status: "written" },
    ]);
  });
});

describe("a request that is larger than the contract allows", () => {
  it("is refused, and the agent goes on", async () => {
    const { server, client } = await startPair(stubClient({}));
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const call = request(
        {
          ...{ port: server.port, method: "POST", path: "/v1/write", ca: authority.certificate },
          ...{ cert: managerLeaf.certificate, key: managerLeaf.key, checkServerIdentity: () => undefined },
        },
        (response) => {
          response.resume();
          resolve(response.statusCode);
          call.destroy();
        },
      );
      call.on("error", reject);
      call.write(Buffer.alloc(MAX_REQUEST_BYTES + 1, " "));
      call.end();
    });
    expect(status).toBe(413);
    expect(await client.info()).toEqual(INFO);
  });
});

describe("an agent that answers nonsense", () => {
  let fake: Server | undefined;
  afterEach(async () => {
    fake?.closeAllConnections();
    await new Promise((resolve) => (fake === undefined ? resolve(undefined) : fake.close(resolve)));
    fake = undefined;
  });

  async function fakeAgent(answer: (count: number, response: ServerResponse) => void) {
    let count = 0;
    const tls = { cert: agentLeaf.certificate, key: agentLeaf.key, ca: authority.certificate };
    fake = createServer({ ...tls, requestCert: true }, (_, response) => {
      count += 1;
      answer(count, response);
    });
    const server = fake;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const port = (server.address() as AddressInfo).port;
    return connect(port, new TlsHolder(material(managerLeaf)));
  }

  it("cut off in the middle: the call is made again", async () => {
    const client = await fakeAgent((count, response) => {
      response.writeHead(200, count > 1 ? {} : { "content-length": "1000" });
      if (count > 1) response.end(JSON.stringify(INFO));
      else response.write(JSON.stringify(INFO), () => response.destroy());
    });
    expect(await client.info()).toEqual(INFO);
  });

  it("always cut off: the token counts as gone", async () => {
    const client = await fakeAgent((_, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("{", () => response.destroy());
    });
    await expect(client.info()).rejects.toMatchObject({ class: "TokenGone", retryable: true });
  });

  it("something else: refused without quoting it", async () => {
    const client = await fakeAgent((_, response) => response.end('{"state":"present","record":"hunter2"}'));
    const error = await client.read("secrets/a/b").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ class: "Internal" });
    expect(JSON.stringify(error) + String(error)).not.toContain("hunter2");
  });

  it("too much: not kept in memory", async () => {
    const chunk = Buffer.alloc(1024 * 1024, " ");
    const client = await fakeAgent((_, response) => {
      response.writeHead(200);
      const more = (): void => {
        if (!response.destroyed) response.write(chunk, more);
      };
      more();
    });
    await expect(client.info()).rejects.toMatchObject({ class: "TooLarge" });
  });
});

describe("the event stream", () => {
  it("reports what changed after the call, is lost and comes back with a new version", async () => {
    const listeners = new Set<(event: DeviceEvent) => void>();
    async function* changes(signal: AbortSignal): AsyncGenerator<DeviceEvent> {
      const waiting: DeviceEvent[] = [];
      let wake = (): void => {};
      const listener = (event: DeviceEvent): void => {
        waiting.push(event);
        wake();
      };
      listeners.add(listener);
      signal.addEventListener("abort", () => wake(), { once: true });
      while (!signal.aborted) {
        const event = waiting.shift();
        if (event !== undefined) yield event;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
      listeners.delete(listener);
    }
    const served = stubClient({
      changes,
      list: async () => listing(0, "v7"),
      setPool: async () => {
        for (const listener of listeners) listener({ kind: "changed", version: "v2", paths: ["_pool"] });
      },
    });
    const { client, agentTls, server } = await startPair(served, { client: { random: () => 0 } });
    const ended = new AbortController();
    const events = client.changes(ended.signal)[Symbol.asyncIterator]();
    await client.setPool({ id: "00".repeat(16), members: [], checksumKey: new Uint8Array(32) });
    expect((await events.next()).value).toEqual({ kind: "changed", version: "v2", paths: ["_pool"] });
    // New certificates: the stream is opened anew without anybody being told that the device is gone.
    agentTls.set(material(agentLeaf, authority, authority));
    expect((await events.next()).value).toEqual({ kind: "back", version: "v7" });
    await vi.waitUntil(() => listeners.size === 1);
    await server.close();
    expect((await events.next()).value).toMatchObject({ kind: "gone" });
    ended.abort();
    expect((await events.next()).done).toBe(true);
    await vi.waitUntil(() => listeners.size === 0);
  });

  it("that has gone silent counts as lost", async () => {
    const { client } = await startPair(stubClient({ list: never }), {
      server: { heartbeat: 60_000 },
      client: { heartbeat: 50, random: () => 0 },
    });
    const ended = new AbortController();
    const events = client.changes(ended.signal)[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({
      kind: "gone",
      reason: expect.stringMatching(/has gone silent\.$/),
    });
    ended.abort();
  });
});

describe("draining", () => {
  it("lets the call under way end and takes no other", async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let entered = false;
    const info = async () => {
      entered = true;
      await held;
      return INFO;
    };
    const { client, server } = await startPair(stubClient({ info }));
    const call = client.info();
    await vi.waitUntil(() => entered);
    const drained = server.drain(10_000);
    release();
    expect(await call).toEqual(INFO);
    await drained;
    await expect(client.info()).rejects.toMatchObject({ class: "TokenGone" });
  });
});
