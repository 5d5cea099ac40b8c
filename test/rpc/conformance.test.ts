import { createMockClient } from "../../src/hsm/mock/mock-client.ts";
import { hsmClientConformance } from "../hsm-client/conformance.ts";
import { IDENTITY, startPair } from "./harness.ts";

hsmClientConformance("agent over mutual TLS", async () => {
  const served = await createMockClient({
    pool: "none",
    serialNumber: IDENTITY.serialNumber,
    historyLimit: 10,
  });
  const { client, server } = await startPair(served);
  return {
    client,
    dispose: async () => {
      await server.close();
      await served.close();
    },
  };
});
