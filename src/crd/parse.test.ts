import { describe, expect, it } from "vitest";
import { durationOf, parseBase, parseHsmDevice, parseHsmPool, parseHsmSecret, pathOf } from "./parse.ts";

function secret(spec: unknown, status?: unknown) {
  return { metadata: { namespace: "shop", name: "db" }, spec, ...(status === undefined ? {} : { status }) };
}

describe("parseHsmSecret", () => {
  it("fills the defaults in", () => {
    const parsed = parseHsmSecret(secret({}));
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        spec: {
          secretType: "Opaque",
          autoSync: true,
          syncInterval: 300,
          direction: "Bidirectional",
          conflictPolicy: "Report",
          deletionPolicy: "Retain",
          secretDeletionPolicy: "Delete",
          adopt: false,
        },
        status: {},
      },
    });
  });

  it.each([
    [undefined, "spec"],
    [{ hsmPath: "a/../b" }, "spec.hsmPath"],
    [{ hsmPath: "_pool" }, "spec.hsmPath"],
    [{ syncInterval: 4 }, "spec.syncInterval"],
    [{ syncInterval: 5.5 }, "spec.syncInterval"],
    [{ direction: "Sideways" }, "spec.direction"],
    [{ historyLimit: 21 }, "spec.historyLimit"],
    [{ keys: [{ from: "a", to: "b" }] }, "needs direction HSMToSecret"],
    [{ secretType: "kubernetes.io/service-account-token" }, "mint credentials"],
    [{ template: { labels: { "app.kubernetes.io/name": "x" } } }, "belongs to Kubernetes"],
    [{ template: { annotations: { "k8s.io/x": "y" } } }, "belongs to Kubernetes"],
    [{ rotation: { interval: "soon", keys: [] } }, "spec.rotation.interval"],
  ])("refuses %j in one sentence that names %s", (spec, words) => {
    const parsed = parseHsmSecret(secret(spec));
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) {
      expect(parsed.message).toContain(words);
      expect(parsed.message).toMatch(/^\S.*\.$/);
      expect(parsed.message).not.toContain("\n");
    }
  });

  it("keeps labels whose names are those of JavaScript's own properties", () => {
    const parsed = parseHsmSecret(secret({ template: { labels: { constructor: "a", prototype: "b" } } }));
    expect(parsed.ok && Object.entries(parsed.value.spec.template?.labels ?? {})).toEqual([
      ["constructor", "a"],
      ["prototype", "b"],
    ]);
  });

  it("takes a status that is none for an empty one", () => {
    const parsed = parseHsmSecret(secret({}, { base: { generation: "seven" } }));
    expect(parsed.ok && parsed.value.status).toEqual({});
  });
});

describe("pathOf", () => {
  it("is secrets/<namespace>/<name> unless set, and says when that is too long for a token", () => {
    const parsed = parseHsmSecret(secret({}));
    if (!parsed.ok) throw new Error(parsed.message);
    expect(pathOf(parsed.value.spec, "shop", "db")).toEqual({ ok: true, value: "secrets/shop/db" });
    expect(pathOf(parsed.value.spec, "shop", "x".repeat(120))).toMatchObject({ ok: false, tooLong: true });
    expect(pathOf({ ...parsed.value.spec, hsmPath: "a/b" }, "shop", "db")).toEqual({
      ok: true,
      value: "a/b",
    });
  });
});

describe("parseBase", () => {
  it("reads what an annotation repeats, and takes anything else for none", () => {
    const base = { pool: "p", generation: 3, digest: "d", dot: { device: "s", counter: 3 }, checksum: "c" };
    expect(parseBase(JSON.stringify(base))).toEqual(base);
    expect(parseBase("{")).toBeUndefined();
    expect(parseBase('{"pool":1}')).toBeUndefined();
    expect(parseBase(undefined)).toBeUndefined();
  });
});

describe("parseHsmDevice", () => {
  const device = (discovery: unknown) => parseHsmDevice({ spec: { deviceType: "PicoHSM", discovery } });

  it("takes one USB id or a list of them, and gives a list", () => {
    const id = { vendorId: "20a0", productId: "4230" };
    for (const usb of [id, [id]]) {
      const parsed = device({ usb });
      expect(parsed.ok && parsed.value.spec.discovery.usb).toEqual([id]);
    }
  });

  it.each([
    [{}],
    [{ autoDiscovery: true, devicePath: { path: "/dev/x" } }],
    [{ usb: { vendorId: "20A0", productId: "4230" } }],
    [{ usb: [] }],
    [{ devicePath: { path: "dev/x" } }],
  ])("refuses discovery %j", (discovery) => {
    const parsed = device(discovery);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.message).toContain("spec.discovery");
  });

  it("fills the defaults in", () => {
    const parsed = parseHsmDevice({
      spec: {
        deviceType: "SoftHSM",
        discovery: { autoDiscovery: true },
        pkcs11: { pinSecret: { name: "pin" } },
        mirroring: {},
      },
    });
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        spec: {
          maxDevices: 10,
          pkcs11: { autoProvision: false, pinSecret: { key: "pin" } },
          mirroring: { policy: "None", syncInterval: 60, writeConcern: "Majority", autoFailover: true },
        },
      },
    });
  });
});

describe("parseHsmPool", () => {
  it("fills the grace period in, and durations are milliseconds", () => {
    const parsed = parseHsmPool({ spec: {} });
    expect(parsed.ok && parsed.value.spec.gracePeriod).toBe("5m");
    expect([durationOf("5m"), durationOf("1h30m"), durationOf("1.5s"), durationOf("250ms")]).toEqual([
      300_000, 5_400_000, 1500, 250,
    ]);
  });
});
