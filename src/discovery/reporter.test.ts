import { describe, expect, it } from "vitest";
import { ManualClock } from "../../test/kube/manual-clock.ts";
import { ANNOTATION_DEVICE_REPORT, type DeviceReport } from "../crd/device-report.ts";
import type { KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/error.ts";
import { silentLogger } from "../telemetry/log.ts";
import { createReporter } from "./reporter.ts";

const HEARTBEAT = 120_000;

const report = (...serials: readonly string[]): readonly DeviceReport[] => [
  {
    hsmDeviceName: "pico",
    reportingNode: "n1",
    discoveredDevices: serials.map((serialNumber) => ({ serialNumber, lastSeen: "2026-01-01T00:00:00Z" })),
    lastReportTime: "2026-01-01T00:00:00Z",
    discoveryStatus: "Complete",
  },
];

const settle = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** A reporter whose API server answers what the test says. */
function start(begin: { readonly wanted?: "nothing yet"; readonly answer?: Error } = {}) {
  const clock = new ManualClock();
  const tries: { readonly at: number; readonly text: string | null }[] = [];
  const state: { wanted: readonly DeviceReport[] | undefined; answer: Error | undefined } = {
    wanted: begin.wanted === undefined ? report("A") : undefined,
    answer: begin.answer,
  };
  const client = {
    patch: async (_resource: unknown, _ref: unknown, patch: { readonly body?: unknown }) => {
      const { metadata } = patch.body as { metadata: { annotations: Record<string, string | null> } };
      tries.push({ at: clock.now(), text: metadata.annotations[ANNOTATION_DEVICE_REPORT] ?? null });
      if (state.answer !== undefined) throw state.answer;
      return {};
    },
  } as unknown as Pick<KubeClient, "patch">;
  const reporter = createReporter({
    client,
    pod: { namespace: "hsm-system", name: "p1" },
    compose: () => state.wanted,
    heartbeat: HEARTBEAT,
    clock,
    random: () => 0.5,
    log: silentLogger,
  });
  const stop = new AbortController();
  const ended = reporter.run(stop.signal);
  return {
    clock,
    tries,
    state,
    reporter,
    /** Lets time pass in small steps, as the promises between them need turns of the loop. */
    async pass(milliseconds: number): Promise<void> {
      const end = clock.now() + milliseconds;
      await settle();
      while (clock.now() < end) {
        clock.advance(Math.min(clock.nextDelay ?? end, end - clock.now()) || 1);
        await settle();
      }
    },
    async end(): Promise<void> {
      stop.abort();
      await ended;
      expect(clock.pending).toBe(0);
    },
  };
}

describe("the reporter", () => {
  it("writes once, and then only what changes", async () => {
    const run = start();
    await run.pass(10_000);
    expect(run.tries).toHaveLength(1);
    expect(run.reporter.reported).toBe(true);
    run.reporter.changed();
    await run.pass(10_000);
    expect(run.tries).toHaveLength(1);
    run.state.wanted = report("A", "B");
    run.reporter.changed();
    await run.pass(0);
    expect(run.tries).toHaveLength(2);
    await run.end();
  });

  it("waits until something is known", async () => {
    const run = start({ wanted: "nothing yet" });
    await run.pass(HEARTBEAT);
    expect(run.tries).toEqual([]);
    run.state.wanted = report();
    run.reporter.changed();
    await run.pass(0);
    expect(run.reporter.reported).toBe(true);
    await run.end();
  });

  it("repeats itself within each heartbeat, and no oftener than twice", async () => {
    const run = start();
    await run.pass(10 * HEARTBEAT);
    expect(run.tries.length).toBeGreaterThanOrEqual(10);
    expect(run.tries.length).toBeLessThanOrEqual(21);
    const gaps = run.tries.slice(1).map(({ at }, index) => at - (run.tries[index]?.at ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(HEARTBEAT);
    await run.end();
  });

  it.each([
    ["no permission", new KubeError("no", { status: 403, reason: "Forbidden" })],
    ["a conflict", new KubeError("no", { status: 409, reason: "Conflict" })],
    ["an API server that is away", new KubeError("no", { status: 0, reason: "Unreachable" })],
  ])("%s: it goes on trying, ever more rarely, until the report is there", async (_what, error) => {
    const run = start({ answer: error });
    await run.pass(3_600_000);
    const gaps = run.tries.slice(1).map(({ at }, index) => at - (run.tries[index]?.at ?? 0));
    expect(gaps.slice(0, 4)).toEqual([750, 1_500, 3_000, 6_000]);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000);
    expect(run.tries.length).toBeLessThan(100);
    expect(run.reporter.reported).toBe(false);
    run.state.answer = undefined;
    run.state.wanted = report("B");
    await run.pass(60_000);
    expect(run.reporter.reported).toBe(true);
    expect(run.tries.at(-1)?.text).toContain('"B"');
    await run.end();
  });

  it("a heartbeat that is not taken is repeated too", async () => {
    const run = start();
    await run.pass(1_000);
    run.state.answer = new KubeError("no", { status: 0, reason: "Unreachable" });
    await run.pass(HEARTBEAT);
    run.state.answer = undefined;
    const failed = run.tries.length;
    await run.pass(60_000);
    expect(run.tries.length).toBe(failed + 1);
    await run.end();
  });

  it("waits as long as the server asks", async () => {
    const details = { status: 429, reason: "TooManyRequests", retryAfter: 30_000 };
    const run = start({ answer: new KubeError("later", details) });
    await run.pass(29_999);
    expect(run.tries).toHaveLength(1);
    await run.pass(1);
    expect(run.tries).toHaveLength(2);
    await run.end();
  });

  it("a bad contact costs five writes a second at most, and its last word is told", async () => {
    const run = start();
    for (let change = 0; change < 100; change += 1) {
      run.state.wanted = report(`${change}`);
      run.reporter.changed();
      await run.pass(10);
    }
    await run.pass(1_000);
    expect(run.tries.length).toBeLessThanOrEqual(8);
    expect(run.tries.at(-1)?.text).toContain('"99"');
    await run.end();
  });

  it("takes the annotation away when no HSMDevice is for this node, and then has nothing to repeat", async () => {
    const run = start();
    await run.pass(1_000);
    run.state.wanted = [];
    run.reporter.changed();
    await run.pass(10 * HEARTBEAT);
    expect(run.tries.map(({ text }) => text === null)).toEqual([false, true]);
    await run.end();
  });
});
