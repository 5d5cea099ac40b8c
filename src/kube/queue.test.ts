import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../test/kube/manual-clock.ts";
import { createWorkQueue, PRIORITY, type QueueItem } from "./queue.ts";

function setUp(random = () => 1) {
  const clock = new ManualClock();
  return { clock, queue: createWorkQueue({ clock, random, backoff: { base: 100, max: 1000 } }) };
}

/** What a take gives right now, `undefined` when it would wait. */
async function now(queue: ReturnType<typeof createWorkQueue>): Promise<QueueItem | undefined> {
  const stop = new AbortController();
  const taken = queue.take(stop.signal);
  stop.abort();
  return taken;
}

describe("work queue", () => {
  it("hands out a key once however often it was added", async () => {
    const { queue } = setUp();
    for (let i = 0; i < 1000; i += 1) queue.add("a");
    expect(queue.depth).toBe(1);
    expect((await now(queue))?.key).toBe("a");
    expect(await now(queue)).toBeUndefined();
  });

  it("never gives a key to two workers, and gives it again when it was added meanwhile", async () => {
    const { queue } = setUp();
    queue.add("a");
    await now(queue);
    queue.add("a");
    queue.add("a");
    expect(await now(queue)).toBeUndefined();
    queue.done("a");
    expect((await now(queue))?.key).toBe("a");
    queue.done("a");
    expect(await now(queue)).toBeUndefined();
  });

  it("takes what a person changed before what is looked at periodically", async () => {
    const { queue } = setUp();
    for (let i = 0; i < 100; i += 1) queue.add(`old-${i}`, { priority: PRIORITY.background });
    queue.add("retry");
    queue.add("old-77", { priority: PRIORITY.change });
    queue.add("new", { priority: PRIORITY.change });
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 4; i += 1) order.push((await now(queue))?.key);
    expect(order).toEqual(["old-77", "new", "retry", "old-0"]);
  });

  it("keeps a key until it is due, and a change brings it forward", async () => {
    const { queue, clock } = setUp();
    queue.add("a", { after: 500 });
    queue.add("b", { after: 500 });
    expect(queue.delayed).toBe(2);
    expect(await now(queue)).toBeUndefined();
    queue.add("b", { priority: PRIORITY.change });
    expect((await now(queue))?.key).toBe("b");
    queue.done("b");
    const taken = queue.take();
    clock.advance(499);
    expect(queue.delayed).toBe(1);
    clock.advance(1);
    expect((await taken)?.key).toBe("a");
    queue.done("a");
    clock.advance(10_000);
    expect(await now(queue)).toBeUndefined();
  });

  it("doubles the delay with each failure up to the limit, and starts anew after a success", async () => {
    const { queue, clock } = setUp();
    const delays: number[] = [];
    queue.add("a");
    for (let i = 0; i < 6; i += 1) {
      expect((await now(queue))?.failures).toBe(i);
      queue.retry("a");
      queue.done("a");
      delays.push(clock.nextDelay ?? -1);
      clock.advance(clock.nextDelay ?? 0);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1000, 1000]);
    await now(queue);
    queue.forget("a");
    queue.retry("a");
    queue.done("a");
    expect(clock.nextDelay).toBe(100);
  });

  it("waits at least as long as a server asked for, and jitter takes at most half", async () => {
    const { queue, clock } = setUp(() => 0);
    queue.add("a");
    await now(queue);
    queue.retry("a", { atLeast: 7000 });
    queue.done("a");
    expect(clock.nextDelay).toBe(7000);
    queue.add("b");
    await now(queue);
    queue.retry("b");
    queue.done("b");
    expect(clock.nextDelay).toBe(50);
  });

  it("drains: drops what was not begun, waits for what was, and leaves no timer", async () => {
    const { queue, clock } = setUp();
    queue.add("a");
    queue.add("b");
    queue.add("c", { after: 100 });
    await now(queue);
    const events: string[] = [];
    const idle = queue.take();
    const drained = queue.drain().then(() => events.push("drained"));
    // A worker that was not busy is let go at once; `b` was taken by it before the drain.
    expect((await idle)?.key).toBe("b");
    queue.add("d");
    queue.done("b");
    await Promise.resolve();
    expect(events).toEqual([]);
    queue.done("a");
    await drained;
    expect(await queue.take()).toBeUndefined();
    expect([queue.depth, queue.delayed, queue.working, clock.pending]).toEqual([0, 0, 0, 0]);
  });

  it("lets waiting workers go when it closes", async () => {
    const { queue } = setUp();
    const takers = [queue.take(), queue.take()];
    await queue.drain();
    expect(await Promise.all(takers)).toEqual([undefined, undefined]);
  });

  it("loses no key, doubles none and keeps order, whatever is done to it", async () => {
    const key = fc.constantFrom("a", "b", "c", "d", "e");
    const step = fc.oneof(
      fc.record({
        do: fc.constant("add" as const),
        key,
        priority: fc.constantFrom(-10, 0, 10),
        after: fc.constantFrom(0, 0, 50, 500),
      }),
      fc.record({ do: fc.constant("take" as const) }),
      fc.record({ do: fc.constant("done" as const), key, fails: fc.boolean() }),
      fc.record({ do: fc.constant("advance" as const), by: fc.integer({ min: 1, max: 600 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
        const { queue, clock } = setUp();
        /** Keys that somebody still wants looked at; working keys. */
        const wanted = new Map<string, { due: number; priority: number }>();
        const working = new Set<string>();
        const want = (name: string, due: number, priority: number) => {
          const old = wanted.get(name);
          wanted.set(name, {
            due: Math.min(due, old?.due ?? due),
            priority: Math.max(priority, old?.priority ?? priority),
          });
        };
        for (const action of steps) {
          if (action.do === "add") {
            queue.add(action.key, action);
            want(action.key, clock.monotonic() + action.after, action.priority);
          } else if (action.do === "advance") clock.advance(action.by);
          else if (action.do === "done") {
            if (!working.has(action.key)) continue;
            if (action.fails) {
              const failures = clock.monotonic();
              queue.retry(action.key, { atLeast: 1000 });
              want(action.key, failures + 1000, 0);
            }
            queue.done(action.key);
            working.delete(action.key);
          } else {
            const due = [...wanted].filter(
              ([name, item]) => item.due <= clock.monotonic() && !working.has(name),
            );
            const item = await now(queue);
            expect(item === undefined).toBe(due.length === 0);
            if (item === undefined) continue;
            expect(working.has(item.key)).toBe(false);
            expect(item.priority).toBe(Math.max(...due.map(([, { priority }]) => priority)));
            expect(wanted.get(item.key)?.priority).toBe(item.priority);
            wanted.delete(item.key);
            working.add(item.key);
          }
        }
        for (const name of [...working]) queue.done(name);
        clock.advance(10_000);
        const rest: string[] = [];
        for (let item = await now(queue); item !== undefined; item = await now(queue)) rest.push(item.key);
        expect(rest.sort()).toEqual([...wanted.keys()].sort());
      }),
      { numRuns: 300 },
    );
  });

  it("keeps up with 100,000 keys", async () => {
    const { queue, clock } = setUp();
    for (let i = 0; i < 100_000; i += 1) queue.add(`k${i}`, { after: i % 7, priority: i % 3 });
    clock.advance(10);
    let count = 0;
    for (; queue.depth > 0; count += 1) queue.done((await queue.take())?.key ?? "");
    expect(count).toBe(100_000);
  });
});
