/** An agent and a manager on loopback with certificates of their own, closed after each test. */

import { afterAll, afterEach } from "vitest";
import type { HsmClient } from "../../src/hsm/client.ts";
import {
  createAuthority,
  issueAgentCertificate,
  issueManagerCertificate,
  type KeyPair,
} from "../../src/rpc/certificates.ts";
import { AgentClient, type AgentClientOptions } from "../../src/rpc/client.ts";
import type { AgentIdentity } from "../../src/rpc/identity.ts";
import { TlsHolder, type TlsMaterial } from "../../src/rpc/material.ts";
import { type AgentServer, type AgentServerOptions, serveAgent } from "../../src/rpc/server.ts";

export const IDENTITY: AgentIdentity = { serialNumber: "TOKEN-1", poolUid: "pool-uid-1" };

export const authority = await createAuthority();
export const agentLeaf = await issueAgentCertificate(authority, IDENTITY);
export const managerLeaf = await issueManagerCertificate(authority);

export function material(leaf: KeyPair, ...authorities: readonly KeyPair[]): TlsMaterial {
  const trusted = authorities.length === 0 ? [authority] : authorities;
  return { ...leaf, authorities: trusted.map((one) => one.certificate).join("\n") };
}

const closers: (() => Promise<unknown>)[] = [];

async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}
afterEach(closeAll);
afterAll(closeAll);

export interface Pair {
  readonly server: AgentServer;
  readonly client: AgentClient;
  readonly agentTls: TlsHolder;
  readonly managerTls: TlsHolder;
}

export interface PairOptions {
  readonly agent?: TlsMaterial;
  readonly manager?: TlsMaterial;
  readonly server?: Partial<AgentServerOptions>;
  readonly client?: Partial<AgentClientOptions>;
}

export async function startPair(served: HsmClient, options: PairOptions = {}): Promise<Pair> {
  const agentTls = new TlsHolder(options.agent ?? material(agentLeaf));
  const server = await serveAgent({
    client: served,
    tls: agentTls,
    host: "127.0.0.1",
    port: 0,
    ...options.server,
  });
  closers.push(() => server.close());
  const managerTls = new TlsHolder(options.manager ?? material(managerLeaf));
  const client = connect(server.port, managerTls, options.client);
  return { server, client, agentTls, managerTls };
}

export function connect(
  port: number,
  tls: TlsHolder,
  options: Partial<AgentClientOptions> = {},
): AgentClient {
  const client = new AgentClient({ address: `127.0.0.1:${port}`, identity: IDENTITY, tls, ...options });
  closers.push(() => client.close());
  return client;
}
