// HSMPools on an API server: reports in, status out, forged reports, silence, and what it all costs in writes.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HSM_DEVICES } from "../../src/controllers/hsmdevice/resource.ts";
import { HSM_POOLS } from "../../src/controllers/hsmpool/resource.ts";
import { DAEMON_SETS, NODES } from "../../src/kube/resources.ts";
import { createPoolWorld, NAMESPACE, type PoolWorld, reportText } from "./hsmpool-world.ts";

const MINUTE = 60_000;
const SOON = { timeout: 8_000, interval: 10 };
let world: PoolWorld;

beforeEach(async () => {
  world = await createPoolWorld();
});
afterEach(() => world.close());

const phase = async () => (await world.pool("pico-pool"))?.status?.phase;
const devices = async () =>
  (await world.pool("pico-pool"))?.status?.aggregatedDevices?.map(
    ({ serialNumber, nodeName, available }) => `${serialNumber}@${nodeName} ${available}`,
  );

async function plugged(): Promise<void> {
  await world.node("n1");
  await world.pod("d1", "n1");
  await world.report("d1", reportText(world.clock, "pico", "n1", ["A"]));
  await world.hsmDevice("pico");
  await expect.poll(phase, SOON).toBe("Ready");
}

/** Until the controller has looked once more than now. */
async function looked(act: () => Promise<void> | void): Promise<void> {
  const before = world.reconciles();
  await act();
  await expect.poll(() => world.reconciles(), SOON).toBeGreaterThan(before);
}

it("an HSMDevice gets its pool, a report makes it Ready, and both cost one write each", async () => {
  const device = await world.hsmDevice("pico", { mirroring: { policy: "Active", primaryNode: "n1" } });
  await expect.poll(phase, SOON).toBe("Pending");
  const pool = await world.pool("pico-pool");
  expect(pool?.metadata.ownerReferences).toMatchObject([
    { kind: "HSMDevice", name: "pico", uid: device.metadata.uid, controller: true },
  ]);
  expect(pool?.spec).toMatchObject({
    hsmDeviceRefs: ["pico"],
    gracePeriod: "5m",
    mirroring: { enabled: true, primaryRole: "n1" },
  });
  expect(world.writes).toEqual(["create hsmpools", "patch hsmpools"]);
  await world.node("n1");
  await world.pod("d1", "n1");
  await expect.poll(async () => (await world.pool("pico-pool"))?.status?.expectedPods, SOON).toBe(1);
  await world.report("d1", reportText(world.clock, "pico", "n1", ["A"]));
  await expect.poll(phase, SOON).toBe("Ready");
  expect(await devices()).toEqual(["A@n1 true"]);
  expect(world.writes).toHaveLength(4);
});

it("heartbeats are looked at and cost no write", async () => {
  await plugged();
  const writes = world.writes.length;
  for (let beat = 0; beat < 5; beat += 1) {
    world.clock.advance(2 * MINUTE);
    await looked(() => world.report("d1", reportText(world.clock, "pico", "n1", ["A"])));
  }
  expect(await phase()).toBe("Ready");
  expect(world.writes).toHaveLength(writes);
});

describe("a pod that falls silent", () => {
  it("takes nothing away at once, and its devices when the grace period ends", async () => {
    await plugged();
    world.clock.advance(MINUTE);
    await world.removePod("d1");
    await expect.poll(phase, SOON).toBe("Partial");
    expect(await devices()).toEqual(["A@n1 true"]);
    const writes = world.writes.length;
    world.clock.advance(5 * MINUTE - 1000);
    await looked(() => world.node("another"));
    expect(await devices()).toEqual(["A@n1 true"]);
    expect(world.writes).toHaveLength(writes);
    world.clock.advance(1000);
    await expect.poll(devices, SOON).toEqual([]);
    expect(await phase()).toBe("Pending");
    expect(world.writes).toHaveLength(writes + 1);
  });

  it("also over a restart of the manager, which cannot know how long it was silent", async () => {
    await plugged();
    await world.removePod("d1");
    await expect.poll(phase, SOON).toBe("Partial");
    world.clock.advance(4 * MINUTE);
    await looked(() => world.restart());
    world.clock.advance(4 * MINUTE);
    await looked(() => world.node("another"));
    expect(await devices()).toEqual(["A@n1 true"]);
    world.clock.advance(MINUTE);
    await expect.poll(devices, SOON).toEqual([]);
  });

  it("is replaced by one that reports the same: the pool is Ready again", async () => {
    await plugged();
    await world.removePod("d1");
    await expect.poll(phase, SOON).toBe("Partial");
    await world.pod("d2", "n1");
    await world.report("d2", reportText(world.clock, "pico", "n1", ["A"]));
    await expect.poll(phase, SOON).toBe("Ready");
  });
});

it("an unplugged device is unavailable at once and forgotten after the grace period that people set", async () => {
  await plugged();
  const ref = { namespace: NAMESPACE, name: "pico-pool" };
  await world.people.patch(HSM_POOLS, ref, { type: "merge", body: { spec: { gracePeriod: "30s" } } });
  await world.report("d1", reportText(world.clock, "pico", "n1", []));
  await expect.poll(devices, SOON).toEqual(["A@n1 false"]);
  world.clock.advance(30_000);
  await expect.poll(devices, SOON).toEqual([]);
  expect((await world.pool("pico-pool"))?.spec?.["gracePeriod"]).toBe("30s");
});

describe("forged reports", () => {
  it.each([
    ["of a pod that is not our DaemonSet's", "ForeignReport", "n2", "n2", false],
    ["for another node", "WrongNode", "n2", "n1", true],
  ])("%s: ignored, with one event on the pod", async (_what, reason, runsOn, claims, controlled) => {
    await plugged();
    await world.node("n2");
    await world.pod("evil", runsOn, controlled);
    await world.report("evil", reportText(world.clock, "pico", claims, ["EVIL"]));
    await expect.poll(() => world.events("evil"), SOON).toEqual([reason]);
    await looked(() => world.report("evil", reportText(world.clock, "pico", claims, ["EVIL", "EVIL2"])));
    expect(await devices()).toEqual(["A@n1 true"]);
    expect(await world.events("evil")).toEqual([reason]);
  });

  it("larger than 64 KiB: ignored, with an event", async () => {
    await plugged();
    await world.node("n2");
    await world.pod("evil", "n2");
    await world.report("evil", reportText(world.clock, "pico", "n2", ["E".repeat(100_000)]));
    await expect.poll(() => world.events("evil"), SOON).toEqual(["ReportTooLarge"]);
    expect(await devices()).toEqual(["A@n1 true"]);
  });

  it("of the pods of a DaemonSet that was made anew under its name: they count no more", async () => {
    await plugged();
    const ref = { namespace: NAMESPACE, name: "hsm-discovery" };
    const old = await world.people.get(DAEMON_SETS, ref);
    await world.people.delete(DAEMON_SETS, ref, { propagationPolicy: "Orphan" });
    const { spec } = old as unknown as { spec: unknown };
    await expect.poll(() => world.people.find(DAEMON_SETS, ref), SOON).toBeUndefined();
    await world.people.create(DAEMON_SETS, { metadata: ref, spec } as never);
    await expect.poll(phase, SOON).toBe("Partial");
    expect(await devices()).toEqual(["A@n1 true"]);
  });
});

it("two HSMDevices, a nodeSelector that is no hostname, and a node whose labels change", async () => {
  await world.node("n1", { rack: "a" });
  await world.node("n2", { rack: "b" });
  await world.pod("d1", "n1");
  await world.pod("d2", "n2");
  await world.hsmDevice("pico", { nodeSelector: { rack: "a" } });
  await world.hsmDevice("card", { deviceType: "SmartCard-HSM" });
  const both = (node: string, pico: readonly string[], card: readonly string[]) =>
    `[${reportText(world.clock, "pico", node, pico)},${reportText(world.clock, "card", node, card)}]`;
  await world.report("d1", both("n1", ["A"], ["X"]));
  await world.report("d2", both("n2", ["B"], ["Y"]));
  await expect.poll(devices, SOON).toEqual(["A@n1 true"]);
  await expect.poll(async () => (await world.pool("card-pool"))?.status?.nodes, SOON).toEqual(["n1", "n2"]);
  const labels = { rack: "a" };
  await world.people.patch(NODES, { name: "n2" }, { type: "merge", body: { metadata: { labels } } });
  await expect.poll(devices, SOON).toEqual(["A@n1 true", "B@n2 true"]);
  await world.people.delete(NODES, { name: "n2" });
  await expect.poll(devices, SOON).toEqual(["A@n1 true", "B@n2 false"]);
});

it("an HSMDevice made anew under its name keeps its pool; without it the pool goes", async () => {
  await plugged();
  const before = await world.pool("pico-pool");
  const ref = { namespace: NAMESPACE, name: "pico" };
  await world.people.delete(HSM_DEVICES, ref, { propagationPolicy: "Orphan" });
  await expect.poll(() => world.people.find(HSM_DEVICES, ref), SOON).toBeUndefined();
  const anew = await world.hsmDevice("pico");
  await expect
    .poll(async () => (await world.pool("pico-pool"))?.metadata.ownerReferences?.map(({ uid }) => uid), SOON)
    .toEqual([anew.metadata.uid]);
  expect((await world.pool("pico-pool"))?.metadata.uid).toBe(before?.metadata.uid);
  await world.people.delete(HSM_DEVICES, ref);
  await expect.poll(() => world.pool("pico-pool"), SOON).toBeUndefined();
});

it("a pool of somebody else's under the name is left alone, and the HSMDevice says so", async () => {
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "other", uid: "u-1", controller: true };
  await world.people.create(DAEMON_SETS, {
    metadata: { namespace: NAMESPACE, name: "other" },
    spec: {
      selector: { matchLabels: { a: "b" } },
      template: { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "c" }] } },
    },
  } as never);
  const other = await world.people.get(DAEMON_SETS, { namespace: NAMESPACE, name: "other" });
  const reference = { ...owner, kind: "DaemonSet", uid: other.metadata.uid };
  await world.people.create(HSM_POOLS, {
    metadata: { namespace: NAMESPACE, name: "pico-pool", ownerReferences: [reference] },
    spec: { gracePeriod: "1m" },
  });
  await world.hsmDevice("pico");
  await expect.poll(() => world.events("pico"), SOON).toEqual(["PoolExists"]);
  expect(world.writes).toEqual([]);
});

it("500 plugs and unplugs: as many writes at most, and the right end", async () => {
  await plugged();
  await world.node("n2");
  await world.pod("d2", "n2");
  const before = world.writes.length;
  for (let change = 1; change <= 250; change += 1) {
    await Promise.all([
      world.report("d1", reportText(world.clock, "pico", "n1", change % 2 === 0 ? ["A"] : [])),
      world.report("d2", reportText(world.clock, "pico", "n2", change % 2 === 0 ? ["B", "C"] : ["B"])),
    ]);
  }
  await expect.poll(devices, SOON).toEqual(["A@n1 true", "B@n2 true", "C@n2 true"]);
  await expect.poll(phase, SOON).toBe("Ready");
  const written = world.writes.length - before;
  console.log(`500 changes of reports: ${written} writes of the pool`);
  expect(written).toBeLessThanOrEqual(502);
}, 60_000);
