import { describe, expect, it } from "vitest";
import { createMockClient } from "../../src/hsm/mock/mock-client.ts";
import { hsmClientConformance } from "./conformance.ts";

hsmClientConformance("mock", async () => ({ client: await createMockClient({ pool: "none" }) }));
hsmClientConformance("mock of a card", async () => ({
  client: await createMockClient({
    pool: "none",
    verification: "refresh",
    partSize: 3500,
    objectCapacity: 120,
    historyLimit: 10,
  }),
}));

describe("the mock", () => {
  it("says in its info that it is one", async () => {
    const client = await createMockClient();
    const info = await client.info();
    expect(info.mock).toBe(true);
    expect(info.label).toContain("MOCK");
    expect(info.library).toContain("MOCK");
    await client.close();
  });

  it("holds the secrets that it was given", async () => {
    const client = await createMockClient({ secrets: { "secrets/shop/db": { user: "ada" } } });
    expect(await client.read("secrets/shop/db")).toMatchObject({
      state: "present",
      record: { generation: 1 },
    });
    await client.close();
  });
});
