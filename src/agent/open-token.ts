/** Opens the token that the flags name: through the addon, or in memory when that was asked for by name. */

import { loadAddon } from "../addon.ts";
import type { HsmClient } from "../hsm/client.ts";
import { HsmError } from "../hsm/errors.ts";
import { MemoryToken } from "../hsm/mock/memory-token.ts";
import { openPkcs11Token } from "../hsm/pkcs11/token.ts";
import { createPkcs11Client } from "../hsm/store/record-store.ts";
import type { ObjectToken } from "../hsm/token.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AgentOptions } from "./options.ts";
import { StepLog } from "./step-log.ts";
import type { OpenedToken } from "./token-life.ts";

/** The PIN is wiped, whatever comes of it. Rejects with an HsmError. */
export async function openToken(options: AgentOptions, pin: Uint8Array, log: Logger): Promise<OpenedToken> {
  const token = options.client === "mock" ? openMock(options, pin) : await openPkcs11(options, pin, log);
  const logged = new StepLog(token, log);
  let client: HsmClient;
  try {
    client = await createPkcs11Client(logged, { historyLimit: options.historyLimit });
  } catch (error) {
    await token.close();
    throw error;
  }
  return {
    client,
    onHung: (listener) =>
      token.onEvent((event) => {
        if (event.kind === "hung") listener(event.operation);
      }),
  };
}

async function openPkcs11(options: AgentOptions, pin: Uint8Array, log: Logger): Promise<ObjectToken> {
  const { module, select } = options;
  if (module === undefined || select === undefined) {
    pin.fill(0);
    throw new HsmError("BadInput", "A module and a token are needed.", { operation: "open" });
  }
  // Before the first PIN is in this process's own memory for long, and again at each opening, which costs nothing.
  if (!loadAddon().disableCoreDumps()) log.warn("the system does not let the agent refuse core dumps");
  return openPkcs11Token({
    modulePath: module,
    select,
    pin,
    deviceType: options.deviceType,
    partSize: options.maxPartSize,
    objectCapacity: options.objectCapacity,
    lockDirectory: options.lockDirectory,
    stateDirectory: options.stateDirectory,
  });
}

function openMock(options: AgentOptions, pin: Uint8Array): ObjectToken {
  pin.fill(0);
  const { select } = options;
  return new MemoryToken({
    serialNumber: select !== undefined && "serialNumber" in select ? select.serialNumber : undefined,
    partSize: options.maxPartSize,
    objectCapacity: options.objectCapacity,
  });
}
