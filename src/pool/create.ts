/** The devices of the operator as one SecretStore. */

import { randomBytes as nodeRandomBytes } from "node:crypto";
import type { HsmClient } from "../hsm/client.ts";
import { checksum, checksumIdOf, checksumKeyId } from "../hsm/record/checksum.ts";
import { type Clock, systemClock } from "../rpc/clock.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { DeviceView, failureOf, type OperationReport, unlessAborted } from "./device.ts";
import { VerifiedReads } from "./reads.ts";
import type { Location, Observation, SecretStore, StoreRead, WriteIntent, WriteOutcome } from "./store.ts";
import { DeviceWriter } from "./writes.ts";

export interface PoolAgent {
  /** Of the token that the agent serves. */
  readonly serialNumber: string;
  readonly client: HsmClient;
}

export interface PoolDevice {
  /** The HSMDevice's name. */
  readonly name: string;
  /** The first is the primary: reads and writes go there. */
  readonly agents: readonly [PoolAgent, ...PoolAgent[]];
  /** Whether the device may keep a path; every path when absent. */
  readonly grants?: ((path: string) => boolean) | undefined;
  /** 32 hex digits, where the pool's id is known (e.g. from its status). */
  readonly poolId?: string | undefined;
  readonly historyLimit?: number | undefined;
}

export interface PoolStoreOptions {
  readonly devices: readonly PoolDevice[];
  /** 32 bytes, the operator's key of the checksums: see checksum-key.ts. */
  readonly checksumKey: Uint8Array;
  readonly clock?: Clock | undefined;
  /** In [0, 1); spreads polls and retries. */
  readonly random?: (() => number) | undefined;
  readonly randomBytes?: ((length: number) => Uint8Array) | undefined;
  /** Milliseconds between two lists of a device without a reason; a minute when absent. */
  readonly pollInterval?: number | undefined;
  /** Milliseconds between two looks at the token itself (what other programs wrote); 5 minutes when absent. */
  readonly refreshInterval?: number | undefined;
  /**
   * Gives a token without a pool its `_pool` record as soon as it is seen, not at the first write through this
   * store: another program that writes first would give it a key of checksums that is not ours.
   */
  readonly claimBlank?: boolean | undefined;
  readonly log?: Logger | undefined;
  /** For metrics: every call on a device with its outcome and duration. */
  readonly onOperation?: ((report: OperationReport) => void) | undefined;
}

interface Member {
  readonly device: PoolDevice;
  readonly view: DeviceView;
  readonly reads: VerifiedReads;
  readonly writer: DeviceWriter;
}

const NO_DEVICE = "NotFound";

/** The clients of the agents belong to the store from here on: closing it closes them. */
export function createPoolStore(options: PoolStoreOptions): SecretStore {
  const clock = options.clock ?? systemClock;
  const keyId = checksumKeyId(options.checksumKey);
  const listeners = new Set<(paths: readonly string[] | null, device: string) => void>();
  const members = options.devices.map(makeMember);

  function makeMember(device: PoolDevice): Member {
    const [primary] = device.agents;
    const view = new DeviceView({
      name: device.name,
      serialNumber: primary.serialNumber,
      client: primary.client,
      clock,
      random: options.random ?? Math.random,
      log: options.log ?? silentLogger,
      pollInterval: options.pollInterval ?? 60_000,
      refreshInterval: options.refreshInterval ?? 300_000,
      onOperation: options.onOperation ?? (() => {}),
      onChange: (paths) => {
        // A token that is seen for the first time, or anew.
        if (paths === null && options.claimBlank === true) void claim(device.name, writer);
        for (const listener of [...listeners]) listener(paths, device.name);
      },
    });
    const reads = new VerifiedReads(view);
    const writer = new DeviceWriter({
      device: view,
      reads,
      clock,
      randomBytes: options.randomBytes ?? nodeRandomBytes,
      checksumKey: options.checksumKey,
      poolId: device.poolId,
      members: device.agents.map((agent) => agent.serialNumber),
      historyLimit: device.historyLimit,
    });
    return { device, view, reads, writer };
  }

  /** What fails is tried again at the next look, or at the first write. */
  async function claim(name: string, writer: DeviceWriter): Promise<void> {
    try {
      await writer.claimBlank();
    } catch (error) {
      options.log?.warn("a blank token did not take its pool", {
        device: name,
        reason: failureOf(error).message,
      });
    }
  }

  /** The device that a location names, else the first whose policy grants the path. */
  function route(location: Location): Member | string {
    if (location.device !== undefined) {
      const named = members.find(({ device }) => device.name === location.device);
      return named ?? `There is no device ${location.device}.`;
    }
    const granting = members.find(({ device }) => device.grants?.(location.path) ?? true);
    return granting ?? "There is no device that may keep this path.";
  }

  async function observe(location: Location, signal?: AbortSignal): Promise<Observation> {
    const member = route(location);
    if (typeof member === "string") return { state: "failed", errorClass: NO_DEVICE, message: member };
    const state = await member.view.state(signal);
    if (state.state === "failed") return state;
    member.writer.learnPool(state.pool);
    const pool = state.pool?.id ?? member.writer.poolId ?? "";
    const entry = state.entries.get(location.path);
    if (entry === undefined) return { state: "absent", pool };
    const { kind, generation, digest, conflict } = entry;
    return { state: "present", kind, pool, generation, digest, deleted: entry.state === "dead", conflict };
  }

  async function read(
    location: Location & { readonly generation?: number },
    signal?: AbortSignal,
  ): Promise<StoreRead> {
    const member = route(location);
    if (typeof member === "string") return { state: "failed", errorClass: NO_DEVICE, message: member };
    const state = await member.view.state(signal);
    if (state.state === "failed") return state;
    member.writer.learnPool(state.pool);
    const pool = state.pool?.id ?? member.writer.poolId ?? "";
    try {
      const result = await unlessAborted(member.reads.read(location.path, location.generation), signal);
      if (result.state === "absent") return { state: "absent", pool };
      const { kind, record, digest, conflicts } = result;
      const sum = checksum(record.keys, options.checksumKey);
      return { state: "present", kind, pool, record, digest, conflicts, checksum: sum };
    } catch (error) {
      return { state: "failed", ...told(error, signal, "read", member) };
    }
  }

  async function write(intent: WriteIntent, signal?: AbortSignal): Promise<WriteOutcome> {
    const member = route(intent);
    if (typeof member === "string") return { status: "failed", errorClass: NO_DEVICE, message: member };
    try {
      const state = await member.view.state(signal);
      if (state.state === "listed") member.writer.learnPool(state.pool);
      return await member.writer.write(intent, signal);
    } catch (error) {
      return { status: "failed", ...told(error, signal, "write", member) };
    }
  }

  /** A call that its caller gave up rejects with the caller's reason; all else is an outcome. */
  function told(error: unknown, signal: AbortSignal | undefined, operation: string, member: Member) {
    if (signal?.aborted === true && error === signal.reason) throw error;
    const failure = failureOf(error);
    const fields = { operation, device: member.device.name, class: failure.errorClass };
    if (failure.errorClass === "Internal") options.log?.error("a call on the device failed", fields, error);
    return failure;
  }

  return {
    observe,
    read,
    write,
    checksum: (keys) => checksum(keys, options.checksumKey),
    knowsChecksum: (text) => checksumIdOf(text) === keyId,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      listeners.clear();
      for (const { writer } of members) writer.close();
      await Promise.all(members.map(({ view }) => view.close()));
    },
  };
}
