#!/usr/bin/env node
import { runTestHsm } from "../hsm/cli/program.ts";

// The agent's client is loaded only when one is asked for: most calls go to a library in this process.
process.exitCode = await runTestHsm(process.argv.slice(2), process, async (agent) => {
  const { AgentClient } = await import("../rpc/client.ts");
  const { tlsFromFiles } = await import("../rpc/material.ts");
  const { address, serialNumber, poolUid, certificate, key, authorities } = agent;
  const tls = await tlsFromFiles({ certificate, key, authorities });
  const client = new AgentClient({ address, identity: { serialNumber, poolUid }, tls });
  const close = client.close.bind(client);
  client.close = async () => {
    await close();
    tls.close();
  };
  return client;
});
