/** From the options of the command line to a client: a library in this process, or an agent over mutual TLS. */

import type { HsmClient } from "../client.ts";
import { HsmError } from "../errors.ts";
import { DEVICE_TYPES, type DeviceType } from "../pkcs11/device-types.ts";
import { openPkcs11Token, type TokenSelector } from "../pkcs11/token.ts";
import { createPkcs11Client } from "../store/record-store.ts";
import { readPin } from "./pin.ts";
import { type Terminal, withProgress } from "./terminal.ts";

export interface ConnectOptions {
  readonly module?: string;
  readonly tokenLabel?: string;
  readonly serial?: string;
  readonly slot?: number;
  readonly deviceType?: DeviceType;
  readonly partSize?: number;
  readonly objectCapacity?: number;
  readonly pinFile?: string;
  readonly pinFd?: number;
  readonly allowFinalTry?: boolean;
  readonly lockDir?: string;
  readonly stateDir?: string;
  readonly agent?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly poolUid?: string;
}

export interface AgentConnection {
  /** `host:port`. */
  readonly address: string;
  readonly serialNumber: string;
  readonly poolUid: string;
  /** Files, PEM. */
  readonly certificate: string;
  readonly key: string;
  readonly authorities: string;
}

/** The layer above: it knows how to reach an agent, this one does not. */
export type ConnectAgent = (agent: AgentConnection) => Promise<HsmClient>;

export async function connect(
  options: ConnectOptions,
  terminal: Terminal,
  connectAgent: ConnectAgent,
): Promise<HsmClient> {
  if ((options.module === undefined) === (options.agent === undefined)) {
    throw bad("Name the library of the token with --module, or an agent with --agent.");
  }
  if (options.agent !== undefined) return connectAgent(agentOf(options, options.agent));
  return openModule(options, options.module ?? "", terminal);
}

async function openModule(
  options: ConnectOptions,
  modulePath: string,
  terminal: Terminal,
): Promise<HsmClient> {
  const select = selectorOf(options);
  if (select === undefined)
    throw bad("Say which token: --serial, --token-label or --slot (`info` lists them).");
  const pin = await readPin(options, terminal);
  return withProgress(terminal, "Opening the token", async () => {
    const token = await openPkcs11Token({
      modulePath,
      select,
      pin,
      deviceType: options.deviceType,
      partSize: options.partSize,
      objectCapacity: options.objectCapacity,
      allowFinalTry: options.allowFinalTry,
      lockDirectory: options.lockDir,
      stateDirectory: options.stateDir,
    });
    try {
      return await createPkcs11Client(token);
    } catch (error) {
      await token.close();
      throw error;
    }
  });
}

export function selectorOf(options: ConnectOptions): TokenSelector | undefined {
  const given = [options.serial, options.tokenLabel, options.slot].filter((one) => one !== undefined);
  if (given.length > 1) throw bad("Give only one of --serial, --token-label and --slot.");
  if (options.serial !== undefined) return { serialNumber: options.serial };
  if (options.tokenLabel !== undefined) return { label: options.tokenLabel };
  return options.slot === undefined ? undefined : { slot: options.slot };
}

function agentOf(options: ConnectOptions, agent: string): AgentConnection {
  const { cert, key, ca, serial, poolUid } = options;
  if (
    cert === undefined ||
    key === undefined ||
    ca === undefined ||
    serial === undefined ||
    poolUid === undefined
  ) {
    throw bad("An agent is reached with --cert, --key, --ca, --serial and --pool-uid.");
  }
  return {
    address: agent.replace(/^https:\/\//, "").replace(/\/$/, ""),
    serialNumber: serial,
    poolUid,
    certificate: cert,
    key,
    authorities: ca,
  };
}

export function parseDeviceType(text: string): DeviceType {
  const type = DEVICE_TYPES.find((one) => one.toLowerCase() === text.toLowerCase());
  if (type === undefined) throw bad(`There is no such device type; known are ${DEVICE_TYPES.join(", ")}.`);
  return type;
}

function bad(message: string): HsmError {
  return new HsmError("BadInput", message, { operation: "connect" });
}
