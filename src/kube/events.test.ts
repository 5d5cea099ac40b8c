import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../test/kube/manual-clock.ts";
import { fail, json, ScriptedServer, secret } from "../../test/kube/scripted-server.ts";
import type { KubeClient } from "./client.ts";
import { createEventRecorder, type EventInput, type EventRecorder } from "./events.ts";
import { createKubeClient } from "./http-client.ts";

let server: ScriptedServer;
let client: KubeClient;
let clock: ManualClock;
let recorder: EventRecorder;
let outcomes: string[];

beforeEach(async () => {
  server = await ScriptedServer.start();
  server.handler = (_request, answer) => json(answer, secret("event", 1));
  clock = new ManualClock(Date.UTC(2026, 0, 2, 3, 4, 5) + 0.25);
  client = createKubeClient(server.connection, { userAgent: "t", fieldManager: "t", clock, random: () => 0 });
  outcomes = [];
  recorder = createEventRecorder({
    client,
    controller: "hsm.j5t.io/manager",
    instance: "manager-0",
    namespace: "hsm-system",
    clock,
    onEvent: (outcome) => outcomes.push(outcome),
  });
});

afterEach(async () => {
  await recorder.close();
  await client.close();
  await server.close();
});

const synced: EventInput = {
  regarding: secret("db", 7),
  type: "Normal",
  reason: "Synced",
  action: "WriteSecret",
  note: "The Secret has generation 3.",
};

describe("event recorder", () => {
  it("writes what the API server asks of an Event, with six digits of a second", async () => {
    recorder.record(synced);
    await recorder.flush();
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "POST /apis/events.k8s.io/v1/namespaces/shop/events",
    ]);
    expect(server.requests[0]?.body).toMatchObject({
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { namespace: "shop", name: expect.stringMatching(/^db\.[0-9a-f]+$/) },
      eventTime: "2026-01-02T03:04:05.000250Z",
      reportingController: "hsm.j5t.io/manager",
      reportingInstance: "manager-0",
      action: "WriteSecret",
      reason: "Synced",
      note: "The Secret has generation 3.",
      type: "Normal",
      regarding: { apiVersion: "v1", kind: "Secret", name: "db", namespace: "shop", uid: "uid-db" },
    });
  });

  it("makes a series of equal events: a thousand in half a minute are two writes", async () => {
    for (let i = 0; i < 1000; i += 1) {
      recorder.record(synced);
      clock.advance(25);
    }
    await recorder.flush();
    expect(server.requests.map((request) => request.method)).toEqual(["POST", "PATCH"]);
    expect(server.requests[1]?.body).toEqual({
      series: { count: 1000, lastObservedTime: expect.stringMatching(/^2026-01-02T03:04:29\.\d{6}Z$/) },
    });
  });

  it("keeps events apart that differ, and begins a new series after a quiet time", async () => {
    recorder.record(synced);
    recorder.record({ ...synced, note: "The Secret has generation 4." });
    await recorder.flush();
    clock.advance(7 * 60_000);
    recorder.record(synced);
    await recorder.flush();
    const names = server.requests.map(
      (request) => (request.body as { metadata: { name: string } }).metadata.name,
    );
    expect([server.requests.map((request) => request.method), new Set(names).size]).toEqual([
      ["POST", "POST", "POST"],
      3,
    ]);
  });

  it("creates the event anew when the first of its series has expired", async () => {
    recorder.record(synced);
    await recorder.flush();
    server.handler = (request, answer) =>
      request.method === "PATCH"
        ? fail(answer, 404, "NotFound", "events not found", { details: { name: "db.1" } })
        : json(answer, secret("event", 2));
    recorder.record(synced);
    await recorder.flush();
    expect(server.requests.map((request) => request.method)).toEqual(["POST", "PATCH", "POST"]);
    expect(server.requests[2]?.body).toMatchObject({ series: { count: 2 } });
  });

  it("never fails its caller: what cannot be written is counted as dropped", async () => {
    server.handler = (_request, answer) =>
      fail(answer, 403, "Forbidden", "the namespace is being terminated");
    recorder.record(synced);
    await recorder.flush();
    expect(outcomes).toEqual(["dropped"]);
  });

  it("cuts a long note at 1,024 bytes without half a character", async () => {
    recorder.record({ ...synced, note: "ü".repeat(2000) });
    await recorder.flush();
    const note = (server.requests[0]?.body as { note: string } | undefined)?.note ?? "";
    expect(note).toMatch(/^ü+…$/);
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
  });

  it("takes nothing after it was closed, and leaves no timer", async () => {
    recorder.record(synced);
    await recorder.close();
    recorder.record({ ...synced, reason: "Late" });
    await recorder.flush();
    expect([server.requests.length, clock.pending]).toEqual([1, 0]);
  });
});
