/** ValidatingAdmissionPolicy and eviction: what refuses a write or a deletion beyond schemas and roles. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient } from "./client.ts";

let client: Client;
beforeAll(async () => {
  client = await startClient();
});
afterAll(() => client.close());

const GROUP = "/apis/admissionregistration.k8s.io/v1";
const configMaps = "/api/v1/namespaces/default/configmaps";

async function policy(name: string, spec: object, binding: object): Promise<void> {
  const made = await client.call("POST", `${GROUP}/validatingadmissionpolicies`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name },
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: [""],
            apiVersions: ["v1"],
            operations: ["CREATE", "UPDATE"],
            resources: ["configmaps"],
          },
        ],
      },
      ...spec,
    },
  });
  expect(made.status).toBe(201);
  const bound = await client.call("POST", `${GROUP}/validatingadmissionpolicybindings`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: `${name}-everywhere` },
    spec: { policyName: name, ...binding },
  });
  expect(bound.status).toBe(201);
}

describe("ValidatingAdmissionPolicy", () => {
  test("refuses what an expression forbids, with its message and reason", async () => {
    await policy(
      "short",
      {
        matchConditions: [{ name: "watched", expression: "object.metadata.name.startsWith('w-')" }],
        variables: [{ name: "keys", expression: "has(object.data) ? size(object.data) : 0" }],
        validations: [
          {
            expression: "variables.keys < 3",
            messageExpression: "'has ' + string(variables.keys) + ' keys'",
          },
        ],
      },
      { validationActions: ["Deny"] },
    );
    const refused = await client.call("POST", configMaps, {
      metadata: { name: "w-a" },
      data: { a: "1", b: "2", c: "3" },
    });
    const message =
      "ValidatingAdmissionPolicy 'short' with binding 'short-everywhere' denied request: has 3 keys";
    expect(refused).toMatchObject({
      status: 422,
      body: {
        reason: "Invalid",
        message: `configmaps "w-a" is forbidden: ${message}`,
        details: { name: "w-a", kind: "configmaps", causes: [{ message }] },
      },
    });
    expect(
      (await client.call("POST", configMaps, { metadata: { name: "w-b" }, data: { a: "1" } })).status,
    ).toBe(201);
    // Not for names that the condition leaves out.
    const other = { metadata: { name: "x" }, data: { a: "1", b: "2", c: "3" } };
    expect((await client.call("POST", configMaps, other)).status).toBe(201);
  });

  test("looks at the change, and warns only where the binding says so", async () => {
    await policy(
      "once",
      {
        validations: [
          {
            expression: "oldObject == null || !has(oldObject.data) || object.data == oldObject.data",
            message: "data is fixed",
            reason: "Forbidden",
          },
        ],
      },
      { validationActions: ["Warn"] },
    );
    const changed = await client.call("PUT", `${configMaps}/w-b`, {
      metadata: { name: "w-b" },
      data: { a: "2" },
    });
    expect(changed.status).toBe(200);
    expect(String(changed.headers["warning"])).toContain(
      "Validation failed for ValidatingAdmissionPolicy 'once' with binding 'once-everywhere': data is fixed",
    );
  });
});

test("a pod is evicted as long as its disruption budget allows it", async () => {
  const pods = "/api/v1/namespaces/default/pods";
  const budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
  for (const name of ["p1", "p2"]) {
    await client.call("POST", pods, {
      metadata: { name, labels: { app: "a" } },
      spec: { containers: [{ name: "c", image: "i:1" }] },
    });
    await client.call(
      "PATCH",
      `${pods}/${name}/status`,
      { status: { phase: "Running" } },
      { "content-type": "application/merge-patch+json" },
    );
  }
  await client.call("POST", budgets, {
    metadata: { name: "b" },
    spec: { minAvailable: 1, selector: { matchLabels: { app: "a" } } },
  });
  await client.call(
    "PATCH",
    `${budgets}/b/status`,
    {
      status: {
        observedGeneration: 1,
        disruptionsAllowed: 1,
        currentHealthy: 2,
        desiredHealthy: 1,
        expectedPods: 2,
      },
    },
    { "content-type": "application/merge-patch+json" },
  );
  const evict = (name: string) =>
    client.call("POST", `${pods}/${name}/eviction`, {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name },
    });
  expect((await evict("p1")).status).toBe(201);
  expect((await client.call("GET", `${pods}/p1`)).status).toBe(404);
  expect(await evict("p2")).toMatchObject({
    status: 429,
    body: {
      reason: "TooManyRequests",
      details: { causes: [{ reason: "DisruptionBudget" }] },
    },
  });
});
