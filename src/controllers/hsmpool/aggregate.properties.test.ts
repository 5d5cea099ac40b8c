import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDeviceReports } from "../../crd/device-report.ts";
import { aggregate } from "./aggregate.ts";
import type { PodFacts, PoolFacts } from "./facts.ts";

const START = Date.UTC(2026, 0, 1);
const GRACE = 300_000;
const NODES = ["n1", "n2", "n3"];

interface Spoken {
  readonly node: string;
  readonly serials: readonly string[];
  /** Milliseconds before now. */
  readonly age: number;
  readonly status: "Complete" | "Limited" | "Failed";
  /** For which node it claims to be. */
  readonly claims: string;
  readonly live: boolean;
  readonly ours: boolean;
  readonly silent: boolean;
}

const node = fc.constantFrom(...NODES);
const spoken: fc.Arbitrary<Spoken> = fc.record({
  node,
  serials: fc.uniqueArray(fc.constantFrom("A", "B", "C", "D"), { maxLength: 3 }),
  age: fc.integer({ min: -90_000, max: 2 * GRACE }),
  status: fc.constantFrom("Complete", "Complete", "Complete", "Limited", "Failed"),
  claims: fc.oneof({ weight: 1, arbitrary: node }, { weight: 6, arbitrary: fc.constant("") }),
  live: fc.constantFrom(true, true, true, false),
  ours: fc.constantFrom(true, true, true, false),
  silent: fc.constantFrom(false, false, false, true),
});

function podOf(words: Spoken, index: number, now: number): PodFacts {
  const at = new Date(now - words.age).toISOString();
  const report = {
    hsmDeviceName: "pico",
    reportingNode: words.claims === "" ? words.node : words.claims,
    discoveredDevices: words.serials.map((serialNumber) => ({ serialNumber, lastSeen: at })),
    lastReportTime: at,
    discoveryStatus: words.status,
  };
  return {
    name: `pod-${index}`,
    uid: `uid-${index}`,
    nodeName: words.node,
    createdAt: "2026-01-01T00:00:00Z",
    live: words.live,
    controllerUid: words.ours ? "ds" : "other",
    reports: words.silent ? undefined : parseDeviceReports(JSON.stringify(report)),
  };
}

const first = (pods: readonly PodFacts[]): PoolFacts => ({
  hsmDevice: "pico",
  nodeSelector: undefined,
  gracePeriod: GRACE,
  daemonSetUid: "ds",
  pods,
  nodes: NODES.map((name) => ({ name, labels: {} })),
  prior: {},
  generation: 1,
  silentSince: new Map(),
  observingSince: START - 24 * 3_600_000,
  now: START,
});

interface Step {
  readonly pods: readonly Spoken[];
  readonly pause: number;
  readonly gone: string | undefined;
}

/** A pool with a history: several looks, each after some time and with other pods. */
const history: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    pods: fc.array(spoken, { maxLength: 5 }),
    pause: fc.integer({ min: 0, max: GRACE }),
    gone: fc.constantFrom(undefined, undefined, undefined, ...NODES),
  }),
  { minLength: 1, maxLength: 5 },
);

function play(steps: readonly Step[]): PoolFacts {
  let current = first([]);
  for (const { pods, pause, gone } of steps) {
    const { status, silentSince } = aggregate(current);
    const now = current.now + pause;
    current = {
      ...current,
      prior: status,
      silentSince,
      now,
      nodes: NODES.filter((name) => name !== gone).map((name) => ({ name, labels: {} })),
      pods: pods.map((words, index) => podOf(words, index, now)),
    };
  }
  return current;
}

describe("whatever happened", () => {
  it("the order of what is heard does not matter", () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat()), (steps, chance) => {
        const facts = play(steps);
        const shuffled = <T>(list: readonly T[]): readonly T[] =>
          list
            .map((item) => ({ item, rank: chance.next().value }))
            .sort((a, b) => a.rank - b.rank)
            .map(({ item }) => item);
        const other = { ...facts, pods: shuffled(facts.pods), nodes: shuffled(facts.nodes) };
        expect(aggregate(other)).toEqual(aggregate(facts));
      }),
    );
  });

  it("a second look at the same writes nothing, and comes to the same deadline within a second", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const facts = play(steps);
        const once = aggregate(facts);
        const again = { ...facts, prior: once.status, silentSince: once.silentSince };
        const twice = aggregate(again);
        expect(twice.status).toBe(once.status);
        // Times in a status have whole seconds.
        expect(Math.abs((twice.deadline ?? 0) - (once.deadline ?? 0))).toBeLessThan(1000);
      }),
    );
  });

  it("until the deadline nothing changes by time alone", () => {
    fc.assert(
      fc.property(history, fc.double({ min: 0, max: 1, noNaN: true }), (steps, part) => {
        const facts = play(steps);
        const once = aggregate(facts);
        const settled = { ...facts, prior: once.status, silentSince: once.silentSince };
        const { deadline } = aggregate(settled);
        const now =
          deadline === undefined
            ? facts.now + 10 * GRACE
            : facts.now + Math.floor((deadline - 1 - facts.now) * part);
        expect(aggregate({ ...settled, now }).status).toBe(once.status);
      }),
    );
  });

  it("a pod that falls silent takes nothing away within the grace period", () => {
    fc.assert(
      fc.property(history, node, fc.integer({ min: 0, max: GRACE - 1 }), (steps, quiet, wait) => {
        const facts = play(steps);
        const before = aggregate(facts);
        const usable = (status: typeof before.status) =>
          (status.aggregatedDevices ?? [])
            .filter((device) => device.available && device.nodeName === quiet)
            .map(({ serialNumber }) => serialNumber);
        // Those that were remembered already have their own time.
        const heard = facts.pods.some(
          (pod) => pod.nodeName === quiet && pod.controllerUid === "ds" && pod.reports?.ok,
        );
        fc.pre(heard && !before.silentSince.has(quiet));
        const here = facts.nodes.some(({ name }) => name === quiet);
        fc.pre(here);
        const pods = facts.pods.filter((pod) => pod.nodeName === quiet);
        const others = facts.pods.filter((pod) => !pods.includes(pod));
        const silence = { ...facts, prior: before.status, silentSince: before.silentSince, pods: others };
        const noticed = aggregate(silence);
        const later = aggregate({
          ...silence,
          prior: noticed.status,
          silentSince: noticed.silentSince,
          now: facts.now + wait,
          // The others go on reporting.
          observingSince: facts.now + wait,
        });
        const after = new Set(
          (later.status.aggregatedDevices ?? []).filter((d) => d.available).map((d) => d.serialNumber),
        );
        for (const serial of usable(before.status)) expect(after).toContain(serial);
      }),
    );
  });

  it("the counts are those of the lists", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const { status } = aggregate(play(steps));
        const devices = status.aggregatedDevices ?? [];
        expect(status.totalDevices).toBe(devices.length);
        expect(status.availableDevices).toBe(devices.filter(({ available }) => available).length);
        expect(status.reportingCount).toBe(status.reportingPods?.filter(({ fresh }) => fresh).length);
        expect(new Set(devices.map(({ serialNumber }) => serialNumber)).size).toBe(devices.length);
      }),
    );
  });
});
