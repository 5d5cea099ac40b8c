import { describe, expect, it } from "vitest";
import { ANNOTATION_DEVICE_REPORT, parseDeviceReports } from "../../crd/device-report.ts";
import type { Pod } from "../../kube/resources.ts";
import { aggregate } from "./aggregate.ts";
import type { PodFacts, PoolFacts } from "./facts.ts";
import { podFacts } from "./resource.ts";

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const GRACE = 5 * MINUTE;

const iso = (time: number) => new Date(time).toISOString();

interface ReportWords {
  readonly node?: string;
  readonly at?: number;
  readonly status?: "Complete" | "Limited" | "Failed";
  readonly heartbeatSeconds?: number;
  readonly device?: string;
}

function report(serials: readonly (string | undefined)[], words: ReportWords = {}) {
  const at = iso(words.at ?? NOW);
  return {
    hsmDeviceName: words.device ?? "pico",
    reportingNode: words.node ?? "n1",
    discoveredDevices: serials.map((serialNumber, index) => ({
      devicePath: `/dev/bus/usb/001/00${index + 1}`,
      ...(serialNumber === undefined ? {} : { serialNumber }),
      lastSeen: at,
    })),
    lastReportTime: at,
    discoveryStatus: words.status ?? "Complete",
    ...(words.status === "Failed" ? { error: "sysfs cannot be read" } : {}),
    ...(words.heartbeatSeconds === undefined ? {} : { heartbeatSeconds: words.heartbeatSeconds }),
  };
}

function pod(name: string, nodeName: string, reports: unknown, changes: Partial<PodFacts> = {}): PodFacts {
  const text = typeof reports === "string" ? reports : JSON.stringify(reports);
  return {
    name,
    uid: `uid-${name}`,
    nodeName,
    createdAt: iso(NOW - MINUTE),
    live: true,
    controllerUid: "ds",
    reports: reports === undefined ? undefined : parseDeviceReports(text),
    ...changes,
  };
}

function facts(changes: Partial<PoolFacts>): PoolFacts {
  return {
    hsmDevice: "pico",
    nodeSelector: undefined,
    gracePeriod: GRACE,
    daemonSetUid: "ds",
    pods: [],
    nodes: ["n1", "n2"].map((name) => ({ name, labels: { zone: name } })),
    prior: {},
    generation: 1,
    silentSince: new Map(),
    observingSince: NOW - 60 * MINUTE,
    now: NOW,
    ...changes,
  };
}

/** The same world later: what was decided is what is known. */
function later(before: PoolFacts, minutes: number, changes: Partial<PoolFacts> = {}): PoolFacts {
  const { status, silentSince } = aggregate(before);
  return { ...before, prior: status, silentSince, now: before.now + minutes * MINUTE, ...changes };
}

const brief = (input: PoolFacts) => {
  const { status } = aggregate(input);
  return {
    phase: status.phase,
    devices: status.aggregatedDevices?.map((d) => `${d.serialNumber}@${d.nodeName} ${d.available}`),
  };
};

describe("a pool", () => {
  it("is Ready when all pods have reported", () => {
    const { status } = aggregate(
      facts({ pods: [pod("p1", "n1", report(["A"])), pod("p2", "n2", [report(["B"], { node: "n2" })])] }),
    );
    expect(status).toMatchObject({
      phase: "Ready",
      totalDevices: 2,
      availableDevices: 2,
      expectedPods: 2,
      reportingCount: 2,
      nodes: ["n1", "n2"],
    });
  });

  it("with a pod that has not reported yet serves what the others found", () => {
    const input = facts({ pods: [pod("p1", "n1", report(["A"])), pod("p2", "n2", undefined)] });
    expect(brief(input)).toEqual({ phase: "Partial", devices: ["A@n1 true"] });
  });

  it("expects nothing of nodes that nodeSelector does not fit, and takes no report from them", () => {
    const input = facts({
      nodeSelector: { zone: "n1" },
      pods: [pod("p1", "n1", report(["A"])), pod("p2", "n2", report(["B"], { node: "n2" }))],
    });
    expect(brief(input)).toEqual({ phase: "Ready", devices: ["A@n1 true"] });
  });

  it("keeps conditions of others, and transition times while a status stays", () => {
    const first = facts({
      pods: [pod("p1", "n1", report(["A"]))],
      prior: {
        conditions: [
          { type: "AuthOK", status: "True", reason: "OK", message: "", lastTransitionTime: iso(NOW) },
        ],
      },
    });
    const second = later(first, 1, { pods: [pod("p1", "n1", report(["A", "B"], { at: NOW + MINUTE }))] });
    const { status } = aggregate(second);
    expect(
      status.conditions?.map(({ type, lastTransitionTime }) => [type, Date.parse(lastTransitionTime)]),
    ).toEqual([
      ["AuthOK", NOW],
      ["Ready", NOW],
      ["DevicesAvailable", NOW],
    ]);
    expect(Date.parse(status.lastAggregationTime ?? "")).toBe(NOW + MINUTE);
  });

  it("is not written for a heartbeat, and its deadline moves", () => {
    const first = facts({ pods: [pod("p1", "n1", report(["A"]))] });
    expect(aggregate(first).deadline).toBe(NOW + GRACE);
    const second = later(first, 2, { pods: [pod("p1", "n1", report(["A"], { at: NOW + 2 * MINUTE }))] });
    const result = aggregate(second);
    expect(result.status).toBe(second.prior);
    expect(result.deadline).toBe(NOW + 2 * MINUTE + GRACE);
  });

  it("keeps what an agent said of a device that moves to another path", () => {
    const first = facts({ pods: [pod("p1", "n1", report(["A"]))] });
    const entry = aggregate(first).status.aggregatedDevices?.[0];
    const agent = { name: "hsm-agent-a", ready: true };
    const prior = { aggregatedDevices: entry === undefined ? [] : [{ ...entry, agent, objectsUsed: 3 }] };
    const moved = {
      ...report([undefined, "A"]),
      discoveredDevices: [{ devicePath: "/dev/bus/usb/002/009", serialNumber: "A", lastSeen: iso(NOW) }],
    };
    const { status } = aggregate({ ...first, prior, pods: [pod("p1", "n1", moved)] });
    expect(status.aggregatedDevices).toMatchObject([
      { devicePath: "/dev/bus/usb/002/009", agent, objectsUsed: 3 },
    ]);
  });
});

describe("a device that goes", () => {
  const plugged = facts({ pods: [pod("p1", "n1", report(["A"]))] });

  it("unplugged: unavailable at once, forgotten when the grace period ends and not before", () => {
    const unplugged = later(plugged, 1, { pods: [pod("p1", "n1", report([], { at: NOW + MINUTE }))] });
    expect(brief(unplugged)).toEqual({ phase: "Error", devices: ["A@n1 false"] });
    expect(aggregate(unplugged).deadline).toBe(unplugged.now + GRACE);
    const fresh = { pods: [pod("p1", "n1", report([], { at: NOW + 5 * MINUTE }))] };
    expect(brief(later(unplugged, 4.99, fresh)).devices).toEqual(["A@n1 false"]);
    expect(brief(later(unplugged, 5, fresh))).toEqual({ phase: "Pending", devices: [] });
  });

  it("its pod is replaced: stays available, Partial, until the new pod speaks", () => {
    const rolling = later(plugged, 1, { pods: [] });
    expect(brief(rolling)).toEqual({ phase: "Partial", devices: ["A@n1 true"] });
    const starting = later(rolling, 1, { pods: [pod("p9", "n1", undefined)] });
    expect(brief(starting)).toEqual({ phase: "Partial", devices: ["A@n1 true"] });
    const spoken = later(starting, 1, { pods: [pod("p9", "n1", report(["A"], { at: starting.now }))] });
    expect(brief(spoken)).toEqual({ phase: "Ready", devices: ["A@n1 true"] });
  });

  it("its pod stays away: gone a grace period after the silence began, however old the last write", () => {
    const heartbeat = later(plugged, 60, {
      pods: [pod("p1", "n1", report(["A"], { at: NOW + 60 * MINUTE }))],
    });
    const silent = later(heartbeat, 2, { pods: [] });
    expect(aggregate(silent).deadline).toBe(silent.now + GRACE);
    expect(brief(later(silent, 4.99)).devices).toEqual(["A@n1 true"]);
    expect(brief(later(silent, 5))).toEqual({ phase: "Pending", devices: [] });
  });

  it("its pod's heartbeat stops: gone when the report is older than the grace period", () => {
    expect(brief(later(plugged, 4.99)).devices).toEqual(["A@n1 true"]);
    expect(brief(later(plugged, 5))).toEqual({ phase: "Error", devices: [] });
  });

  it("a grace period shorter than the heartbeats does not make devices come and go", () => {
    const short = facts({
      gracePeriod: 10_000,
      pods: [pod("p1", "n1", report(["A"], { heartbeatSeconds: 120 }))],
    });
    expect(brief(later(short, 4))).toEqual({ phase: "Ready", devices: ["A@n1 true"] });
    expect(brief(later(short, 5)).devices).toEqual([]);
  });

  it("the manager could not listen: nothing is taken away until the grace period after it can", () => {
    const back = later(plugged, 30, { observingSince: NOW + 30 * MINUTE, silentSince: new Map() });
    expect(brief(back)).toEqual({ phase: "Partial", devices: ["A@n1 true"] });
    expect(brief(later(back, 5)).devices).toEqual([]);
  });

  it("an old report alone brings no device back after a restart of the manager", () => {
    const restarted = facts({
      pods: [pod("p1", "n1", report(["A"], { at: NOW - 60 * MINUTE }))],
      observingSince: NOW,
    });
    expect(brief(restarted)).toEqual({ phase: "Error", devices: [] });
  });

  it("the search fails: what was known stays for the grace period", () => {
    const failed = later(plugged, 1, {
      pods: [pod("p1", "n1", report([], { status: "Failed", at: NOW + MINUTE }))],
    });
    expect(brief(failed)).toEqual({ phase: "Partial", devices: ["A@n1 true"] });
    expect(aggregate(failed).status.reportingPods).toMatchObject([{ error: "sysfs cannot be read" }]);
    const still = { pods: [pod("p1", "n1", report([], { status: "Failed", at: NOW + 6 * MINUTE }))] };
    expect(brief(later(failed, 5, still))).toEqual({ phase: "Error", devices: [] });
  });

  it("its node is gone: unavailable at once", () => {
    const gone = later(plugged, 1, { nodes: [], pods: [] });
    expect(brief(gone).devices).toEqual(["A@n1 false"]);
  });
});

describe("one serial number on two nodes", () => {
  it("stays where it was while both report it, and moves when the first does no more", () => {
    const first = facts({ pods: [pod("p2", "n2", report(["A"], { node: "n2" }))] });
    const p2 = pod("p2", "n2", report(["A"], { node: "n2" }));
    const both = later(first, 1, { pods: [pod("p1", "n1", report(["A"])), p2] });
    expect(brief(both)).toEqual({ phase: "Partial", devices: ["A@n2 true"] });
    expect(aggregate(both).onTwoNodes).toEqual(["A"]);
    const empty = pod("p2", "n2", report([], { node: "n2" }));
    const moved = later(both, 1, { pods: [pod("p1", "n1", report(["A"])), empty] });
    expect(brief(moved)).toEqual({ phase: "Ready", devices: ["A@n1 true"] });
  });
});

describe("devices without a serial number", () => {
  it("alone: served", () => {
    expect(brief(facts({ pods: [pod("p1", "n1", report([undefined]))] }))).toEqual({
      phase: "Ready",
      devices: ["no-serial:n1:/dev/bus/usb/001/001@n1 true"],
    });
  });

  it("not alone: reported as such and not served", () => {
    expect(brief(facts({ pods: [pod("p1", "n1", report(["A", undefined]))] }))).toEqual({
      phase: "Partial",
      devices: ["A@n1 true", "no-serial:n1:/dev/bus/usb/001/002@n1 false"],
    });
  });
});

describe("reports that do not count", () => {
  const good = pod("p1", "n1", report(["A"]));
  const stranger = { controllerUid: "somebody", uid: "u" };
  it.each([
    [
      "of a pod that our DaemonSet does not control",
      pod("x", "n2", report(["EVIL"], { node: "n2" }), stranger),
      "ForeignReport",
    ],
    [
      "of a pod that nobody controls",
      pod("x", "n2", report(["EVIL"], { node: "n2" }), { controllerUid: undefined }),
      "ForeignReport",
    ],
    ["for another node", pod("x", "n2", report(["EVIL"], { node: "n1" })), "WrongNode"],
    ["of 2 MB", pod("x", "n2", JSON.stringify(report(["E".repeat(2_000_000)]))), "ReportTooLarge"],
    ["that is no JSON", pod("x", "n2", "{"), "ReportMalformed"],
    ["of another form", pod("x", "n2", { hsmDeviceName: "pico" }), "ReportMalformed"],
    [
      "that speaks of the device twice",
      pod("x", "n2", [report(["EVIL"], { node: "n2" }), report([], { node: "n2" })]),
      "ReportMalformed",
    ],
    [
      "dated ahead",
      pod("x", "n2", report(["EVIL"], { node: "n2", at: NOW + 2 * MINUTE })),
      "ReportFromFuture",
    ],
  ])("%s", (_what, bad, reason) => {
    const result = aggregate(facts({ pods: [good, bad] }));
    expect(result.status.aggregatedDevices?.map(({ serialNumber }) => serialNumber)).toEqual(["A"]);
    expect(result.refusals).toMatchObject([{ podName: "x", reason }]);
    expect(JSON.stringify(result)).not.toContain("EVIL");
  });

  it("a device that is reported twice by one pod counts once", () => {
    expect(brief(facts({ pods: [pod("p1", "n1", report(["A", "A"]))] })).devices).toEqual(["A@n1 true"]);
  });

  it("no report counts while there is no DaemonSet", () => {
    expect(brief(facts({ daemonSetUid: undefined, pods: [good] }))).toEqual({
      phase: "Pending",
      devices: [],
    });
  });

  it("of a pod that goes, while the new pod of the node has reported", () => {
    const old = pod("old", "n1", report(["A", "B"]), { live: false });
    const young = pod("young", "n1", report(["A"], { at: NOW - MINUTE }));
    for (const pods of [
      [old, young],
      [young, old],
    ]) {
      expect(brief(facts({ pods }))).toEqual({ phase: "Ready", devices: ["A@n1 true"] });
    }
  });

  it("the annotation of a pod is read as the API server gives it", () => {
    const object: Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "p1",
        uid: "u1",
        resourceVersion: "1",
        annotations: { [ANNOTATION_DEVICE_REPORT]: JSON.stringify(report(["A"])) },
        ownerReferences: [
          { apiVersion: "apps/v1", kind: "DaemonSet", name: "d", uid: "ds", controller: true },
        ],
      },
      spec: { nodeName: "n1" },
      status: { phase: "Running" },
    };
    expect(brief(facts({ pods: [podFacts(object)] })).devices).toEqual(["A@n1 true"]);
  });
});
