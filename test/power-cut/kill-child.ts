/**
 * A process of its own that writes one generation to a SoftHSM2 token, one PKCS#11 call at a time, and kills itself
 * with SIGKILL at the step that it was told. Prints each step, then how the write ended.
 */

import { readFileSync, writeSync } from "node:fs";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { buildRecord } from "../../src/hsm/record/build.ts";
import { createPkcs11Client } from "../../src/hsm/store/record-store.ts";
import type { ObjectOperation, ObjectToken, OperationOutcome } from "../../src/hsm/token.ts";
import { CONTEXT, content, PATH, POOL } from "./scenario.ts";

export interface KillOrder {
  readonly modulePath: string;
  readonly serialNumber: string;
  readonly pinFile: string;
  readonly folder: string;
  readonly generation: number;
  /** Bytes of the value. */
  readonly size: number;
  readonly partSize: number;
  /** E.g. `before create 2`; a step that does not come kills nobody. */
  readonly killAt: string;
}

function step(name: string, killAt: string): void {
  writeSync(1, `${name}\n`);
  if (name === killAt) process.kill(process.pid, "SIGKILL");
}

/** Every call of a batch becomes a batch of its own, with a step before and after it. */
function stepping(token: ObjectToken, killAt: string): ObjectToken {
  const counts = { create: 0, destroy: 0, look: 0, read: 0 };
  const around = async <T>(kind: keyof typeof counts, call: () => Promise<T>): Promise<T> => {
    counts[kind] += 1;
    step(`before ${kind} ${counts[kind]}`, killAt);
    const result = await call();
    step(`after ${kind} ${counts[kind]}`, killAt);
    return result;
  };
  return {
    info: () => token.info(),
    list: () => token.list(),
    random: (length) => token.random(length),
    onEvent: (listener) => token.onEvent(listener),
    close: () => token.close(),
    refresh: () => around("look", () => token.refresh()),
    read: (ids) => around("read", () => token.read(ids)),
    apply: async (operations: readonly ObjectOperation[]) => {
      const outcomes: OperationOutcome[] = [];
      for (const operation of operations) {
        outcomes.push(...(await around(operation.kind, () => token.apply([operation]))));
      }
      return outcomes;
    },
  };
}

const order = JSON.parse(process.argv[2] ?? "") as KillOrder;
const token = await openPkcs11Token({
  modulePath: order.modulePath,
  select: { serialNumber: order.serialNumber },
  pin: readFileSync(order.pinFile),
  partSize: order.partSize,
  lockDirectory: order.folder,
  stateDirectory: order.folder,
});
const client = await createPkcs11Client(stepping(token, order.killAt));
await client.setPool(POOL);
const read = await client.read(PATH);
const current = read.state === "present" ? read.record : undefined;
const built = buildRecord(
  { path: PATH, current, keys: [["v", content(order.generation, order.size)]] },
  { ...CONTEXT, device: order.serialNumber },
);
writeSync(1, "writing\n");
const [result] = await client.write([
  { path: PATH, record: built.bytes, expect: { kind: "any" }, historyLimit: 1 },
]);
writeSync(1, `${result?.status}\n`);
await client.close();
