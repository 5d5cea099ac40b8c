/** Loopback ports of the programs: those of the last run where they are still free, so that kubeconfigs stay good. */

import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";

export const PORT_NAMES = [
  "apiserver",
  "agent",
  "agentHealth",
  "managerApi",
  "managerMetrics",
  "managerHealth",
] as const;
export type Ports = Readonly<Record<(typeof PORT_NAMES)[number], number>>;

export async function choosePorts(file: string): Promise<Ports> {
  const last = readLast(file);
  const taken = new Set<number>();
  const chosen: Partial<Record<(typeof PORT_NAMES)[number], number>> = {};
  for (const name of PORT_NAMES) {
    let port = (await freePort(last[name] ?? 0)) ?? (await freePort(0));
    while (port === undefined || taken.has(port)) port = await freePort(0);
    taken.add(port);
    chosen[name] = port;
  }
  writeFileSync(file, `${JSON.stringify(chosen)}\n`);
  return chosen as Ports;
}

function readLast(file: string): Partial<Record<string, number>> {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    return typeof value === "object" && value !== null ? (value as Partial<Record<string, number>>) : {};
  } catch {
    return {}; // The first run, or a file that was cut: new ports do no harm.
  }
}

/** The port, or any for 0; `undefined` when somebody has it. */
async function freePort(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen({ port, host: "127.0.0.1" });
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
