import { describe, expect, it, vi } from "vitest";
import { Journal } from "../../test/kube/journal.ts";
import { ManualClock } from "../../test/kube/manual-clock.ts";
import { secret } from "../../test/kube/scripted-server.ts";
import { correlationId } from "../telemetry/correlation.ts";
import { type ControllerOptions, createController, type ReconcileOutcome } from "./controller.ts";
import { KubeError } from "./error.ts";
import { storeSource } from "./informer.ts";
import { PRIORITY } from "./queue.ts";
import type { Secret } from "./resources.ts";
import { ObjectStore } from "./store.ts";

function setUp(options: Partial<ControllerOptions> & Pick<ControllerOptions, "reconcile">) {
  const clock = new ManualClock();
  const outcomes = new Journal<ReconcileOutcome>();
  const controller = createController({
    name: "test",
    workers: 2,
    sources: [],
    clock,
    random: () => 1,
    onReconciled: outcomes.add,
    ...options,
  });
  const stop = new AbortController();
  const running = controller.run(stop.signal);
  return { clock, controller, outcomes, stop, running };
}

describe("controller", () => {
  it("keeps a failure to its key: others go on, it is tried again later and later", async () => {
    let broken = true;
    const { clock, controller, outcomes, stop, running } = setUp({
      async reconcile(key) {
        if (key === "bad" && broken) throw new Error("no such luck");
        return undefined;
      },
    });
    controller.enqueue("bad");
    controller.enqueue("good");
    await outcomes.until((outcome) => outcome.key === "good" && outcome.result === "ok");
    const delays: (number | undefined)[] = [];
    for (let i = 1; i <= 4; i += 1) {
      const outcome = await outcomes.until(({ key, result }) => key === "bad" && result === "failed", i);
      expect(outcome.failures).toBe(i - 1);
      await vi.waitFor(() => expect(clock.pending).toBe(1));
      delays.push(clock.nextDelay);
      if (i === 4) broken = false;
      clock.advance(clock.nextDelay ?? 0);
    }
    expect(delays).toEqual([100, 200, 400, 800]);
    await outcomes.until(({ key, result }) => key === "bad" && result === "ok");
    stop.abort();
    await running;
  });

  it("keeps a reconcile that throws before its first await to its key too", async () => {
    const { controller, outcomes, stop, running } = setUp({
      workers: 1,
      reconcile(key) {
        if (key === "bad") throw new TypeError("cannot read properties of undefined");
        return Promise.resolve(undefined);
      },
    });
    controller.enqueue("bad");
    controller.enqueue("good");
    await outcomes.until(({ key, result }) => key === "good" && result === "ok");
    stop.abort();
    await running;
  });

  it("waits as long as a throttling API server asks", async () => {
    const { clock, controller, outcomes, stop, running } = setUp({
      async reconcile() {
        throw new KubeError("later", { status: 429, reason: "TooManyRequests", retryAfter: 9000 });
      },
    });
    controller.enqueue("a");
    await outcomes.until(() => true);
    await vi.waitFor(() => expect(clock.nextDelay).toBe(9000));
    stop.abort();
    await running;
  });

  it("comes back after requeueAfter, behind what people changed", async () => {
    const order: string[] = [];
    const { clock, controller, outcomes, stop, running } = setUp({
      workers: 1,
      async reconcile(key) {
        order.push(key);
        return key === "periodic" ? { requeueAfter: 5000 } : undefined;
      },
    });
    controller.enqueue("periodic");
    await outcomes.until((outcome) => outcome.result === "requeued");
    await vi.waitFor(() => expect(clock.nextDelay).toBe(5000));
    controller.enqueue("changed", { after: 5000, priority: PRIORITY.change });
    clock.advance(5000);
    await outcomes.until(() => true, 3);
    expect(order).toEqual(["periodic", "changed", "periodic"]);
    stop.abort();
    await running;
  });

  it("reconciles a key with one worker at a time, and once more for what came meanwhile", async () => {
    const begun = new Journal<() => void>();
    let most = 0;
    let current = 0;
    const { controller, outcomes, stop, running } = setUp({
      workers: 8,
      async reconcile() {
        current += 1;
        most = Math.max(most, current);
        await new Promise<void>((resolve) => begun.add(resolve));
        current -= 1;
        return undefined;
      },
    });
    controller.enqueue("a");
    const finish = await begun.until(() => true);
    for (let i = 0; i < 100; i += 1) controller.enqueue("a");
    finish();
    (await begun.until(() => true, 2))();
    await outcomes.until(() => true, 2);
    expect([most, begun.entries.length, controller.queue.depth]).toEqual([1, 2, 0]);
    stop.abort();
    await running;
  });

  it("lets a reconcile under way finish when it stops, tells it, and begins no other", async () => {
    const begun = new Journal<{ readonly finish: () => void; readonly signal: AbortSignal }>();
    const { controller, outcomes, stop, running } = setUp({
      workers: 1,
      async reconcile(_key, signal) {
        await new Promise<void>((resolve) => begun.add({ finish: resolve, signal }));
        return undefined;
      },
    });
    controller.enqueue("a");
    controller.enqueue("b");
    const { finish, signal } = await begun.until(() => true);
    stop.abort();
    expect(signal.aborted).toBe(true);
    const ended: string[] = [];
    const done = running.then(() => ended.push("ended"));
    await Promise.resolve();
    expect(ended).toEqual([]);
    finish();
    await done;
    expect(outcomes.entries.map((outcome) => outcome.key)).toEqual(["a"]);
  });

  it("takes keys from a store, what is there and what changes, each reconcile under an id of its own", async () => {
    const store = new ObjectStore<Secret>();
    store.replace("", [secret("a", 1)], "1");
    const ids = new Map<string, string | undefined>();
    const { outcomes, stop, running } = setUp({
      sources: [storeSource(store, ({ object }) => [object.metadata.name])],
      async reconcile(key) {
        ids.set(key, correlationId());
        return undefined;
      },
    });
    await outcomes.until(({ key }) => key === "a");
    store.upsert("", secret("b", 2));
    await outcomes.until(({ key }) => key === "b");
    expect(new Set(ids.values()).size).toBe(2);
    stop.abort();
    await running;
    store.upsert("", secret("c", 3));
    expect(ids.has("c")).toBe(false);
  });

  it("goes on when a metrics hook throws", async () => {
    const { controller, stop, running } = setUp({
      workers: 1,
      onReconciled() {
        throw new Error("label missing");
      },
      async reconcile(key) {
        if (key === "b") stop.abort();
        return undefined;
      },
    });
    controller.enqueue("a");
    controller.enqueue("b");
    await running;
  });
});
