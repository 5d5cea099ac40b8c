/** Who may do what: tokens, anonymous requests, RBAC, tokens of ServiceAccounts, state across a restart. */

import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, clientOf, startClient } from "./client.ts";

let admin: Client;
let low: Client;
let ahead = 0;
const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
const secrets = "/api/v1/namespaces/default/secrets";

beforeAll(async () => {
  admin = await startClient({ rbac: true, now: () => Date.now() + ahead });
  low = clientOf(admin.server, admin.server.tokenFor("low", ["team-a"]));
});
afterAll(() => admin.close());

describe("authentication", () => {
  test("a wrong token is 401, no token is the anonymous user", async () => {
    const stranger = clientOf(admin.server, "nonsense");
    expect((await stranger.call("GET", secrets)).status).toBe(401);
    const nobody = await stranger.call("GET", secrets, undefined, { authorization: "" });
    expect(nobody).toMatchObject({ status: 403, body: { reason: "Forbidden" } });
    const version = await stranger.call("GET", "/version", undefined, { authorization: "" });
    expect(version.status).toBe(200);
  });

  test("a token for a ServiceAccount works until ten seconds after its account is deleted", async () => {
    const accounts = "/api/v1/namespaces/default/serviceaccounts";
    await admin.call("POST", accounts, { metadata: { name: "robot" } });
    const issued = await admin.call("POST", `${accounts}/robot/token`, { spec: {} });
    const { token } = issued.body["status"] as { token: string };
    const robot = clientOf(admin.server, token);
    const review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    const who = await robot.call("POST", review, {});
    expect(who.body).toMatchObject({
      status: { userInfo: { username: "system:serviceaccount:default:robot" } },
    });
    await admin.call("DELETE", `${accounts}/robot`);
    // As with kube-apiserver, a token that was good a moment ago is not asked for again.
    expect((await robot.call("POST", review, {})).status).toBe(201);
    ahead += 11_000;
    expect((await robot.call("POST", review, {})).status).toBe(401);
  });
});

describe("authorization", () => {
  test("a role grants one name, and only that", async () => {
    for (const name of ["mine", "yours"]) await admin.call("POST", secrets, { metadata: { name } });
    expect((await low.call("GET", `${secrets}/mine`)).status).toBe(403);
    await admin.call("POST", `${rbac}/roles`, {
      metadata: { name: "one" },
      rules: [{ apiGroups: [""], resources: ["secrets"], resourceNames: ["mine"], verbs: ["get"] }],
    });
    await admin.call("POST", `${rbac}/rolebindings`, {
      metadata: { name: "one" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "one" },
      subjects: [{ kind: "Group", name: "team-a" }],
    });
    expect((await low.call("GET", `${secrets}/mine`)).status).toBe(200);
    expect((await low.call("GET", `${secrets}/yours`)).status).toBe(403);
    expect((await low.call("GET", secrets)).status).toBe(403);
    expect((await low.call("DELETE", `${secrets}/mine`)).status).toBe(403);
  });
});

describe("a data folder", () => {
  test("objects, tokens and the authority come back, in files for their owner only", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "apiserver-data-"));
    try {
      const first = await startClient({ dataDir });
      await first.call("POST", secrets, { metadata: { name: "kept" } });
      const before = (await first.call("GET", `${secrets}/kept`)).body;
      const token = first.server.tokenFor("someone", ["team-a"]);
      const authority = first.server.caCertificate;
      await first.close();
      for (const name of readdirSync(dataDir)) expect(statSync(join(dataDir, name)).mode & 0o077).toBe(0);
      const second = await startClient({ dataDir });
      expect((await second.call("GET", `${secrets}/kept`)).body).toEqual(before);
      expect(second.server.tokenFor("someone", ["team-a"])).toBe(token);
      expect(second.server.caCertificate).toBe(authority);
      const since = before.metadata?.resourceVersion;
      const later = await second.call("POST", secrets, { metadata: { name: "new" } });
      expect(Number(later.body.metadata?.resourceVersion)).toBeGreaterThan(Number(since));
      await second.close();
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
