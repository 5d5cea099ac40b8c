/** The commands of test-hsm that change the token: write, delete, rollback. */

import { readFile } from "node:fs/promises";
import { parseKey } from "../../path/key.ts";
import { HsmError } from "../errors.ts";
import { buildRecord, buildRollback, buildTombstone } from "../record/build.ts";
import type { SecretKey } from "../record/record.ts";
import {
  checkedPath,
  contextOf,
  expectGeneration,
  headsBeside,
  type Present,
  print,
  readPresent,
  type Session,
  writeOver,
} from "./session.ts";
import type { Terminal } from "./terminal.ts";

export interface WriteFlags {
  readonly fromFile?: readonly string[];
  readonly merge?: boolean;
  readonly description?: string;
  readonly expect?: number;
  readonly historyLimit?: number;
}

/** Files are read before the token is opened: a name with a slip in it changes nothing and costs no PIN. */
export async function readKeys(assignments: readonly string[], terminal: Terminal): Promise<SecretKey[]> {
  const keys = new Map<string, Uint8Array>();
  for (const assignment of assignments) {
    const equals = assignment.indexOf("=");
    if (equals < 1) throw bad("Write --from-file as KEY=PATH (PATH - is standard input).");
    const parsed = parseKey(assignment.slice(0, equals));
    if (!parsed.ok) throw bad(parsed.message);
    if (keys.has(parsed.key)) throw bad("The same key is given twice.");
    keys.set(parsed.key, await readSource(assignment.slice(equals + 1), terminal));
  }
  return [...keys];
}

async function readSource(path: string, { stdin }: Terminal): Promise<Uint8Array> {
  if (path === "-") {
    const chunks: Buffer[] = [];
    for await (const chunk of stdin) chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)));
    return Buffer.concat(chunks);
  }
  try {
    return await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw bad(`The file of a key cannot be read (${code}).`);
  }
}

export async function write(
  session: Session,
  path: string,
  keys: readonly SecretKey[],
  flags: WriteFlags,
): Promise<void> {
  const checked = checkedPath(path);
  const present = await readMaybe(session, checked);
  expectGeneration(checked, present, flags.expect);
  const all = new Map<string, Uint8Array>(flags.merge === true ? (present?.record.keys ?? []) : []);
  for (const [name, value] of keys) all.set(name, value);
  const built = buildRecord(
    {
      path: checked,
      current: present?.record,
      settles: present === undefined ? [] : await headsBeside(session, present),
      keys: [...all],
      meta:
        flags.description === undefined
          ? undefined
          : { ...present?.record.meta, description: flags.description },
    },
    await contextOf(session),
  );
  const written = await writeOver(session, built, present, flags.historyLimit);
  print(session, `${checked} is written and proven: generation ${written.generation}, ${all.size} keys.`, {
    path: checked,
    generation: written.generation,
    digest: written.digest,
    keys: [...all.keys()],
  });
}

export async function remove(
  session: Session,
  path: string,
  flags: Pick<WriteFlags, "expect">,
): Promise<void> {
  const checked = checkedPath(path);
  const present = await readPresent(session, checked);
  expectGeneration(checked, present, flags.expect);
  if (present.record.deleted && present.kind === "record") {
    throw new HsmError("NotFound", `The secret at ${checked} is deleted already.`, { operation: "delete" });
  }
  const built = buildTombstone(
    { path: checked, current: present.record, settles: await headsBeside(session, present) },
    await contextOf(session),
  );
  const written = await writeOver(session, built, present, undefined);
  print(
    session,
    `${checked} is deleted: generation ${written.generation} says so, what was before is destroyed.`,
    {
      path: checked,
      generation: written.generation,
      digest: written.digest,
      deleted: true,
    },
  );
}

export async function rollback(
  session: Session,
  path: string,
  generation: number,
  flags: Pick<WriteFlags, "expect" | "historyLimit">,
): Promise<void> {
  const checked = checkedPath(path);
  const present = await readPresent(session, checked);
  expectGeneration(checked, present, flags.expect);
  const old = await readPresent(session, checked, { generation });
  const settles = await headsBeside(session, present);
  const built = buildRollback(present.record, old.record, await contextOf(session), settles);
  const written = await writeOver(session, built, present, flags.historyLimit);
  print(
    session,
    `${checked} holds the keys of generation ${generation} again, as generation ${written.generation}.`,
    {
      path: checked,
      from: generation,
      generation: written.generation,
      digest: written.digest,
    },
  );
}

async function readMaybe(session: Session, path: string): Promise<Present | undefined> {
  const result = await session.client.read(path);
  return result.state === "present" ? result : undefined;
}

function bad(message: string): HsmError {
  return new HsmError("BadInput", message, { operation: "write" });
}
