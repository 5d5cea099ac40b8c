/** Runs an agent as a user would: files in a folder, flags, everything closed at the end. */

import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { type AgentOptions, parseAgentArguments } from "../../src/agent/options.ts";
import {
  createAuthority,
  issueAgentCertificate,
  issueManagerCertificate,
} from "../../src/rpc/certificates.ts";
import { AgentClient } from "../../src/rpc/client.ts";
import { TlsHolder } from "../../src/rpc/material.ts";

export const POOL_UID = "pool-uid-1";

const closers: (() => Promise<unknown>)[] = [];
/** Runs after the test, the last first. */
export function onEnd(close: () => Promise<unknown>): void {
  closers.push(close);
}
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export interface AgentFiles {
  readonly folder: string;
  readonly flags: readonly string[];
  readonly manager: TlsHolder;
  writePin(pin: string, mode?: number): Promise<void>;
  connect(port: number): AgentClient;
}

export async function agentFiles(serialNumber: string): Promise<AgentFiles> {
  const folder = await mkdtemp(join(tmpdir(), "hsm-agent-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const authority = await createAuthority();
  const leaf = await issueAgentCertificate(authority, { serialNumber, poolUid: POOL_UID });
  const managerLeaf = await issueManagerCertificate(authority);
  const file = (name: string): string => join(folder, name);
  await writeFile(file("tls.crt"), leaf.certificate);
  await writeFile(file("tls.key"), leaf.key, { mode: 0o600 });
  await writeFile(file("ca.crt"), authority.certificate);
  const manager = new TlsHolder({ ...managerLeaf, authorities: authority.certificate });
  const flags = [
    ...["--cert", file("tls.crt"), "--key", file("tls.key"), "--ca", file("ca.crt")],
    ...["--pool-uid", POOL_UID, "--pin-file", file("pin"), "--serial", serialNumber],
    ...["--listen", "127.0.0.1:0", "--health", "127.0.0.1:0"],
    ...["--state-dir", file("state"), "--lock-dir", file("locks")],
  ];
  const writePin = async (pin: string, mode = 0o600): Promise<void> => {
    await writeFile(file("pin"), pin, { mode });
    await chmod(file("pin"), mode);
  };
  const connect = (port: number): AgentClient => {
    const identity = { serialNumber, poolUid: POOL_UID };
    const client = new AgentClient({ address: `127.0.0.1:${port}`, identity, tls: manager });
    onEnd(() => client.close());
    return client;
  };
  await writePin("123456");
  return { folder, flags, manager, writePin, connect };
}

export function optionsOf(flags: readonly string[]): AgentOptions {
  const parsed = parseAgentArguments(flags);
  if (parsed.kind === "print") throw new Error("these flags only print");
  return parsed.options;
}

export async function get(port: number, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: (await response.text()).trim() };
}
