/** test-hsm selftest: the life of one secret on the real token, step by step, each timed and checked. */

import { randomBytes } from "node:crypto";
import { HsmError } from "../errors.ts";
import { buildRecord, buildRollback, buildTombstone } from "../record/build.ts";
import type { SecretKey } from "../record/record.ts";
import { contextOf, headsBeside, print, readPresent, type Session, writeOver } from "./session.ts";

/** Always the same: what stays behind is one tombstone, however often this runs. */
const SELFTEST_PATH = "test-hsm/selftest";

interface Step {
  readonly name: string;
  readonly milliseconds: number;
}

export async function selftest(session: Session): Promise<void> {
  const steps: Step[] = [];
  const step = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    const milliseconds = Number((performance.now() - started).toFixed(1));
    steps.push({ name, milliseconds });
    if (!session.json) session.terminal.stdout.write(`ok  ${name} (${milliseconds} ms)\n`);
    return result;
  };
  const { client } = session;
  const context = await contextOf(session);
  const first: SecretKey[] = [["binary", randomBytes(1024)]];
  const second: SecretKey[] = [["binary", randomBytes(512)]];

  await step("look at the token anew", () => client.refresh());
  const before = await client.read(SELFTEST_PATH);
  const present = before.state === "present" ? before : undefined;
  const settles = present === undefined ? [] : await headsBeside(session, present);
  const created = buildRecord(
    { path: SELFTEST_PATH, current: present?.record, settles, keys: first },
    context,
  );
  await step("write a secret", () => writeOver(session, created, present, 1));
  const one = await step("read it", () => readPresent(session, SELFTEST_PATH));
  check(same(one.record.keys, first), "What was read is not what was written.");
  const updated = buildRecord({ path: SELFTEST_PATH, current: one.record, keys: second }, context);
  await step("update it", () => writeOver(session, updated, one, 1));
  const two = await step("read it again", () => readPresent(session, SELFTEST_PATH));
  check(same(two.record.keys, second), "The update was not read.");
  const entries = await step("read its history", () => client.history(SELFTEST_PATH));
  check(entries.length === 2, "The history does not hold the generation before.");
  const back = buildRollback(two.record, one.record, context);
  await step("roll it back", () => writeOver(session, back, two, 1));
  const three = await readPresent(session, SELFTEST_PATH);
  check(same(three.record.keys, first), "The rollback was not read.");
  const stale = buildRecord({ path: SELFTEST_PATH, current: one.record, keys: second }, context);
  await step("refuse a stale write", async () => {
    const [result] = await client.write([
      {
        path: SELFTEST_PATH,
        record: stale.bytes,
        expect: { kind: "generation", generation: one.record.generation },
      },
    ]);
    check(result?.status === "conflict", "A stale write was not refused.");
  });
  const gone = buildTombstone({ path: SELFTEST_PATH, current: three.record }, context);
  await step("delete it", () => writeOver(session, gone, three, 0));
  const last = await step("look at the token anew", () => client.refresh());
  const entry = last.entries.find(({ path }) => path === SELFTEST_PATH);
  check(entry?.state === "dead" && entry.records === 1, "The deletion is not on the token.");
  print(session, `This token works: ${steps.length} steps, all checked.`, { ok: true, steps });
}

function same(a: readonly SecretKey[], b: readonly SecretKey[]): boolean {
  return (
    a.length === b.length && a.every(([name, value], i) => name === b[i]?.[0] && equal(value, b[i]?.[1]))
  );
}

function equal(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.from(a).equals(b);
}

function check(ok: boolean, message: string): void {
  if (!ok) throw new HsmError("Internal", message, { operation: "selftest" });
}
