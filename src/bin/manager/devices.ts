/** From options to the devices of the pool: clients of agents over mutual TLS, or a mock that says that it is one. */

import type { HsmClient } from "../../hsm/client.ts";
import { createMockClient } from "../../hsm/mock/mock-client.ts";
import type { PoolAgent, PoolDevice } from "../../pool/create.ts";
import { AgentClient } from "../../rpc/client.ts";
import { type TlsSource, tlsFromFiles } from "../../rpc/material.ts";
import type { Logger } from "../../telemetry/log.ts";
import { type AgentsFile, readAgentsFile } from "./agents-file.ts";
import { type ManagerOptions, UsageError } from "./options.ts";

export interface Devices {
  readonly devices: readonly PoolDevice[];
  /** After the pool's store was closed, which closes the clients. */
  close(): void;
}

export async function openDevices(options: ManagerOptions, log: Logger): Promise<Devices> {
  const file = options.agentsFile === undefined ? undefined : await readAgentsFile(options.agentsFile);
  if (options.client === "mock") return { devices: await mockDevices(file, log), close: () => {} };
  if (file === undefined) throw new UsageError("--agents is needed.");
  const tls = await openTls(options, file, log);
  const clientOf = (device: string, agent: AgentsFile["devices"][number]["agents"][number]): PoolAgent => ({
    serialNumber: agent.serialNumber,
    client: new AgentClient({
      tls,
      address: agent.address,
      identity: { serialNumber: agent.serialNumber, poolUid: agent.poolUid ?? device },
    }),
  });
  const devices = file.devices.map(({ name, agents: [first, ...others], historyLimit }): PoolDevice => {
    const agents = [clientOf(name, first), ...others.map((agent) => clientOf(name, agent))] as const;
    return { name, agents, historyLimit };
  });
  return { devices, close: () => tls.close() };
}

async function openTls(options: ManagerOptions, file: AgentsFile, log: Logger): Promise<TlsSource> {
  const certificate = options.certificate ?? file.tls?.certificate;
  const key = options.key ?? file.tls?.key;
  const authorities = options.authorities ?? file.tls?.authorities;
  if (certificate === undefined || key === undefined || authorities === undefined) {
    throw new UsageError("--cert, --key and --ca are needed (or tls in the file of --agents).");
  }
  try {
    return await tlsFromFiles(
      { certificate, key, authorities },
      {
        onProblem: (problem) =>
          log.warn("the certificate files cannot be used; the old ones stay", { problem }),
        onReload: () => log.info("took the new certificate files"),
      },
    );
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`The files of --cert, --key and --ca cannot be used: ${why}`, { cause: error });
  }
}

/** Everything is in memory and gone with the process: said at the start, in the health answers and as a metric. */
async function mockDevices(file: AgentsFile | undefined, log: Logger): Promise<readonly PoolDevice[]> {
  log.warn("MOCK: there is no hardware behind this manager; secrets live in memory and end with the process");
  const wanted = file?.devices ?? [
    { name: "mock", agents: [{ serialNumber: "MOCK0001" }], historyLimit: undefined },
  ];
  return Promise.all(
    wanted.map(async ({ name, agents, historyLimit }): Promise<PoolDevice> => {
      const serialNumber = agents[0]?.serialNumber ?? "MOCK0001";
      const client: HsmClient = await createMockClient({ serialNumber, pool: "none" });
      return { name, agents: [{ serialNumber, client }], historyLimit };
    }),
  );
}
