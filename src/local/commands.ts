/** The command lines of the programs that local mode starts. */

import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { LocalCertificates } from "./certificates.ts";
import type { LocalPaths } from "./paths.ts";
import type { Ports } from "./ports.ts";
import type { LocalToken } from "./token.ts";

/** The project's folder: this file lies two folders below it, as source and compiled. */
export const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

export const OPERATOR_NAMESPACE = "hsm-system";
export const DEVICE_NAME = "local-token";

/** A compiled program. The children always run what was built, so that a restart costs no compilation. */
export function builtProgram(name: string): string {
  return join(PROJECT, "dist", name);
}

export interface CommandContext {
  readonly paths: LocalPaths;
  readonly ports: Ports;
  readonly token: LocalToken;
  readonly certificates: LocalCertificates;
  readonly poolUid: string;
  readonly logLevel: string;
}

export function apiserverCommand({
  paths,
  ports,
}: Pick<CommandContext, "paths" | "ports">): readonly string[] {
  return [
    builtProgram("apiserver/main.js"),
    "--data-dir",
    paths.apiserver,
    "--listen",
    loopback(ports.apiserver),
    "--kubeconfig-out",
    paths.kubeconfig,
  ];
}

export function agentCommand(context: CommandContext): readonly string[] {
  const { paths, ports, token, certificates } = context;
  return [
    builtProgram("bin/agent.js"),
    "--module",
    token.module,
    "--device-type",
    "SoftHSM",
    "--serial",
    token.serialNumber,
    "--pin-file",
    token.pinFile,
    "--cert",
    certificates.agent.certificate,
    "--key",
    certificates.agent.key,
    "--ca",
    certificates.authority,
    "--pool-uid",
    context.poolUid,
    "--listen",
    loopback(ports.agent),
    "--health",
    loopback(ports.agentHealth),
    "--state-dir",
    paths.agentState,
    "--lock-dir",
    paths.agentState,
    "--log-level",
    context.logLevel,
  ];
}

export function loopback(port: number): string {
  return `127.0.0.1:${port}`;
}

export function managerCommand(context: CommandContext & { readonly agentsFile: string }): readonly string[] {
  const { paths, ports } = context;
  return [
    builtProgram("bin/manager.js"),
    "--kubeconfig",
    paths.kubeconfig,
    "--namespace",
    OPERATOR_NAMESPACE,
    "--agents",
    context.agentsFile,
    "--metrics",
    loopback(ports.managerMetrics),
    "--health",
    loopback(ports.managerHealth),
    "--log-level",
    context.logLevel,
  ];
}

/** Flags that let test-hsm reach the token through the agent: the agent holds the token's lock. */
export function testHsmFlags(context: CommandContext): readonly string[] {
  const { ports, token, certificates } = context;
  return [
    "--agent",
    loopback(ports.agent),
    "--serial",
    token.serialNumber,
    "--pool-uid",
    context.poolUid,
    "--cert",
    certificates.manager.certificate,
    "--key",
    certificates.manager.key,
    "--ca",
    certificates.authority,
  ];
}
