/** The agent: one token, served to one manager. Holds no Kubernetes client and no credentials of a cluster. */

import { X509Certificate } from "node:crypto";
import { HsmError } from "../hsm/errors.ts";
import type { TokenInfo } from "../hsm/token.ts";
import { type Clock, systemClock } from "../rpc/clock.ts";
import { agentUri, carriesUri } from "../rpc/identity.ts";
import { type TlsSource, tlsFromFiles } from "../rpc/material.ts";
import { type AgentServer, serveAgent } from "../rpc/server.ts";
import { type WatchOptions, watchFiles } from "../rpc/watch-files.ts";
import type { Logger } from "../telemetry/log.ts";
import { type HealthServer, serveHealth } from "./health.ts";
import { openToken } from "./open-token.ts";
import { type AgentOptions, type ListenAddress, UsageError } from "./options.ts";
import { readPin } from "./pin.ts";
import { type OpenedToken, TokenLife } from "./token-life.ts";

export interface AgentDependencies {
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  /** In [0, 1); spreads retries. */
  readonly random?: (() => number) | undefined;
  readonly open?: ((options: AgentOptions, pin: Uint8Array, log: Logger) => Promise<OpenedToken>) | undefined;
  readonly watch?: WatchOptions | undefined;
}

export interface RunningAgent {
  readonly port: number;
  readonly healthPort: number;
  /** Lets what is under way end, then closes everything. Idempotent. */
  stop(): Promise<void>;
}

/** Milliseconds that a call under way may still take when the agent stops; Kubernetes kills after 30 s. */
const DRAIN = 20_000;

/** Rejects with a UsageError or an HsmError of one sentence when it cannot start; nothing is left open then. */
export async function runAgent(
  options: AgentOptions,
  dependencies: AgentDependencies,
): Promise<RunningAgent> {
  const { log } = dependencies;
  const clock = dependencies.clock ?? systemClock;
  const undo: (() => Promise<void> | void)[] = [];
  if (options.client === "mock") {
    log.warn("THIS IS A MOCK: secrets are kept in memory, on no device, and are lost when the agent ends");
  }
  let draining = false;
  try {
    const tls = await loadTls(options, dependencies);
    undo.push(() => tls.close());
    const open = dependencies.open ?? openToken;
    const life = new TokenLife({
      open: (pin) => open(options, pin, log),
      readPin: () => pinOf(options),
      refuseToken: (info) => refuseToken(info, tls, options.poolUid),
      clock,
      random: dependencies.random ?? Math.random,
      log,
    });
    undo.push(() => life.close());
    const health = await serveHealthAt(options.health, life, () => draining);
    undo.push(() => health.close());
    await life.start();
    const server = await serveAt(options, life, tls, log, clock);
    undo.push(() => server.drain(DRAIN));
    if (options.pinFile !== undefined) {
      undo.push(watchFiles([options.pinFile], () => void life.pinFileChanged(), dependencies.watch));
    }
    log.info("agent serves", { port: server.port, healthPort: health.port });
    let stopping: Promise<void> | undefined;
    return {
      port: server.port,
      healthPort: health.port,
      stop: () => {
        draining = true;
        stopping ??= undoAll(undo);
        return stopping;
      },
    };
  } catch (error) {
    await undoAll(undo);
    throw error;
  }
}

async function undoAll(undo: readonly (() => Promise<void> | void)[]): Promise<void> {
  for (const step of [...undo].reverse()) await step();
}

async function loadTls(options: AgentOptions, { log, watch }: AgentDependencies): Promise<TlsSource> {
  const files = { certificate: options.certificate, key: options.key, authorities: options.authorities };
  try {
    return await tlsFromFiles(files, {
      ...watch,
      onProblem: (reason) => log.warn("the certificate files cannot be used; those in use stay", { reason }),
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function pinOf(options: AgentOptions): Promise<Uint8Array> {
  // Only a mock goes without: toOptions asks for the file otherwise.
  return options.pinFile === undefined ? new Uint8Array() : readPin(options.pinFile);
}

/** The kubelet may hand out another device than the one that was asked for: the certificate says which it must be. */
function refuseToken(info: TokenInfo, tls: TlsSource, poolUid: string): string | undefined {
  const certificate = new X509Certificate(tls.current().certificate);
  if (carriesUri(certificate, agentUri({ serialNumber: info.serialNumber, poolUid }))) return undefined;
  return `The certificate was not made for token ${info.serialNumber} in pool ${poolUid}: it is not served.`;
}

async function serveHealthAt(
  address: ListenAddress,
  life: TokenLife,
  draining: () => boolean,
): Promise<HealthServer> {
  try {
    return await serveHealth(address, () => life.status(), draining);
  } catch (error) {
    throw addressError(error, "--health", address);
  }
}

async function serveAt(
  options: AgentOptions,
  life: TokenLife,
  tls: TlsSource,
  log: Logger,
  clock: Clock,
): Promise<AgentServer> {
  const { host, port } = options.listen;
  try {
    return await serveAgent({ client: life, tls, host, port, manager: options.manager, clock, log });
  } catch (error) {
    throw addressError(error, "--listen", options.listen);
  }
}

function addressError(error: unknown, flag: string, { host, port }: ListenAddress): Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  const why = code === "EADDRINUSE" ? "is in use" : `cannot be listened on (${code})`;
  return new UsageError(`The address ${host}:${port} of ${flag} ${why}.`, { cause: error });
}

/** The exit code of a failure to start, and the sentence for it. */
export function explainFailure(error: unknown): { readonly exitCode: 1 | 2; readonly sentence: string } {
  if (error instanceof UsageError) return { exitCode: 2, sentence: error.message };
  if (error instanceof HsmError) {
    return { exitCode: error.class === "BadInput" ? 2 : 1, sentence: error.message };
  }
  return { exitCode: 1, sentence: error instanceof Error ? error.message : String(error) };
}
