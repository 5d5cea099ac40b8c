/** An HsmClient of which a test says what each call does; whatever it does not say is refused. */

import type { HsmClient } from "../../src/hsm/client.ts";
import { HsmError } from "../../src/hsm/errors.ts";
import type { TokenInfo } from "../../src/hsm/token.ts";

export const INFO: TokenInfo = {
  serialNumber: "TOKEN-1",
  label: "test",
  manufacturer: "nobody",
  model: "stub",
  library: "stub 1.0",
  verification: "readback",
  partSize: 3_500,
  objectCapacity: 120,
  pinState: "OK",
  mock: true,
};

export function stubClient(calls: Partial<HsmClient>): HsmClient {
  const refuse = async (): Promise<never> => {
    throw new HsmError("Unsupported", "The stub does not do this.", { operation: "stub" });
  };
  return {
    info: async () => INFO,
    pool: refuse,
    setPool: refuse,
    list: refuse,
    read: refuse,
    write: refuse,
    history: refuse,
    refresh: refuse,
    changes: (signal) => silentChanges(signal),
    close: async () => {},
    ...calls,
  };
}

async function* silentChanges(signal: AbortSignal): AsyncGenerator<never> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
