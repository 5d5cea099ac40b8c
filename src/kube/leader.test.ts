import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../test/kube/manual-clock.ts";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./error.ts";
import { createLeaderElector, type LeaderOptions } from "./leader.ts";
import type { Lease } from "./resources.ts";

/** One Lease with compare-and-swap, as the API server keeps it; can be out of reach of a candidate. */
class LeaseServer {
  lease: Lease | undefined;
  writes = 0;
  readonly cutOff = new Set<string>();
  /** Candidates whose requests hang until they are given up. */
  readonly hung = new Set<string>();
  #version = 0;

  clientFor(identity: string): LeaderOptions["client"] {
    const reach = async (signal?: AbortSignal) => {
      if (this.cutOff.has(identity)) throw new KubeError("away", { status: 0, reason: "Unreachable" });
      if (this.hung.has(identity)) {
        await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
        throw new KubeError("given up", { status: 0, reason: "Aborted" });
      }
    };
    const conflict = (reason: string) => new KubeError(reason, { status: 409, reason });
    const write = (object: unknown) => {
      this.writes += 1;
      this.#version += 1;
      const body = object as Lease;
      const resourceVersion = String(this.#version);
      this.lease = {
        ...body,
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { ...body.metadata, uid: "u", resourceVersion },
      };
      return this.lease;
    };
    const client = {
      find: async (_resource: unknown, _ref: unknown, options?: { signal?: AbortSignal }) => {
        await reach(options?.signal);
        return this.lease;
      },
      create: async (_resource: unknown, object: unknown, options?: { signal?: AbortSignal }) => {
        await reach(options?.signal);
        if (this.lease !== undefined) throw conflict("AlreadyExists");
        return write(object);
      },
      update: async (_resource: unknown, object: unknown, options?: { signal?: AbortSignal }) => {
        await reach(options?.signal);
        const version = (object as Lease).metadata.resourceVersion;
        if (this.lease?.metadata.resourceVersion !== version) throw conflict("Conflict");
        return write(object);
      },
    };
    return client as unknown as Pick<KubeClient, "find" | "create" | "update">;
  }
}

function setUp() {
  const clock = new ManualClock();
  const server = new LeaseServer();
  const leading = new Set<string>();
  let most = 0;

  function candidate(identity: string) {
    const stop = new AbortController();
    const elector = createLeaderElector({
      client: server.clientFor(identity),
      namespace: "hsm-system",
      name: "manager",
      identity,
      clock,
      random: () => 0.5,
    });
    const terms: string[] = [];
    const running = elector.run(stop.signal, async (fence) => {
      leading.add(identity);
      most = Math.max(most, leading.size);
      terms.push("begun");
      await new Promise<void>((resolve) => {
        if (fence.aborted) resolve();
        else fence.addEventListener("abort", () => resolve(), { once: true });
      });
      leading.delete(identity);
      terms.push("ended");
    });
    return { identity, elector, stop, running, terms };
  }

  async function pass(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += 100) {
      await turn();
      clock.advance(100);
    }
    for (let i = 0; i < 5; i += 1) await turn();
  }

  const end = async (...candidates: ReturnType<typeof candidate>[]) => {
    for (const { stop } of candidates) stop.abort();
    await pass(100);
    await Promise.all(candidates.map(({ running }) => running));
  };
  return { clock, server, leading, candidate, pass, end, most: () => most };
}

describe("leader election", () => {
  it("gives the lease to one of two, and keeps it there while it is renewed", async () => {
    const { leading, candidate, pass, end, server, most } = setUp();
    const a = candidate("a");
    await pass(100);
    const b = candidate("b");
    await pass(120_000);
    expect([[...leading], most(), b.elector.leading]).toEqual([["a"], 1, false]);
    expect(server.lease?.spec).toMatchObject({ holderIdentity: "a", leaseTransitions: 0 });
    expect(server.lease?.spec?.renewTime).toMatch(/\.\d{6}Z$/);
    await end(a, b);
  });

  it("hands over at once when the leader leaves", async () => {
    const { leading, candidate, pass, end } = setUp();
    const a = candidate("a");
    await pass(100);
    const b = candidate("b");
    await pass(5000);
    await end(a);
    expect(a.terms).toEqual(["begun", "ended"]);
    await pass(3000);
    expect([...leading]).toEqual(["b"]);
    await end(b);
  });

  for (const fault of ["cutOff", "hung"] as const) {
    it(`stops a leader that is ${fault === "hung" ? "hanging" : "cut off"} before another begins`, async () => {
      const { leading, candidate, pass, end, server, most } = setUp();
      const a = candidate("a");
      await pass(100);
      const b = candidate("b");
      await pass(10_000);
      server[fault].add("a");
      await pass(10_100);
      expect([...leading]).toEqual([]);
      await pass(8000);
      expect([[...leading], most()]).toEqual([["b"], 1]);
      expect(server.lease?.spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
      server[fault].delete("a");
      await pass(30_000);
      expect([[...leading], a.terms]).toEqual([["b"], ["begun", "ended"]]);
      await end(a, b);
    });
  }

  it("rides out a server that is away for less than the deadline", async () => {
    const { leading, candidate, pass, end, server } = setUp();
    const a = candidate("a");
    await pass(5000);
    server.cutOff.add("a");
    await pass(6000);
    server.cutOff.delete("a");
    await pass(20_000);
    expect([[...leading], a.terms]).toEqual([["a"], ["begun"]]);
    await end(a);
  });

  it("stops leading when another took the lease by force", async () => {
    const { leading, candidate, pass, end, server } = setUp();
    const a = candidate("a");
    await pass(3000);
    const { lease } = server;
    if (lease === undefined) throw new Error("no lease");
    const metadata = { ...lease.metadata, resourceVersion: "1000" };
    server.lease = { ...lease, metadata, spec: { ...lease.spec, holderIdentity: "thief" } };
    await pass(3000);
    expect([...leading]).toEqual([]);
    await end(a);
  });

  it("leaves no timer and no lease of its own behind", async () => {
    const { clock, candidate, pass, end, server } = setUp();
    const a = candidate("a");
    await pass(3000);
    await end(a);
    expect([server.lease?.spec?.holderIdentity, clock.pending]).toEqual(["", 0]);
  });

  it("refuses times with which two could lead", () => {
    const { server } = setUp();
    const options = { client: server.clientFor("a"), namespace: "n", name: "l", identity: "a" };
    expect(() => createLeaderElector({ ...options, renewDeadline: 15_000 })).toThrow("renewDeadline");
  });
});
