/** What a Pod lets its clients change. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Client, startClient } from "./client.ts";

let client: Client;
const pod = "/api/v1/namespaces/default/pods/p";
beforeAll(async () => {
  client = await startClient();
  const made = await client.call("POST", "/api/v1/namespaces/default/pods", {
    metadata: { name: "p" },
    spec: {
      containers: [{ name: "c", image: "i:1" }],
      tolerations: [{ key: "a", operator: "Exists" }],
      activeDeadlineSeconds: 30,
    },
  });
  expect(made.status).toBe(201);
});
afterAll(() => client.close());

const change = (spec: object) =>
  client.call("PATCH", pod, { spec }, { "content-type": "application/strategic-merge-patch+json" });

test("the image may change", async () => {
  const changed = await change({ containers: [{ name: "c", image: "i:2" }] });
  expect(changed).toMatchObject({ status: 200, body: { metadata: { generation: 2 } } });
});

test.each([
  [
    "another container",
    { containers: [{ name: "d", image: "i:1" }] },
    "spec.containers",
    "Forbidden: pod updates may not add or remove containers",
  ],
  [
    "a later deadline",
    { activeDeadlineSeconds: 60 },
    "spec.activeDeadlineSeconds",
    "Invalid value: 60: must be less than or equal to previous value",
  ],
  [
    "a toleration less",
    { tolerations: [{ key: "b", operator: "Exists" }] },
    "spec.tolerations",
    "Forbidden: existing toleration can not be modified except its tolerationSeconds",
  ],
])("%s is refused", async (_what, spec, field, message) => {
  const refused = await change(spec);
  expect(refused.status).toBe(422);
  const { causes } = refused.body["details"] as { causes: { field: string; message: string }[] };
  expect(causes.map(({ field, message }) => ({ field, message }))).toContainEqual({ field, message });
});
