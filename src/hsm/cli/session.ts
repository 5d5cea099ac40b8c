/** What a command works with: the client, where to write, and how to say things to people and to programs. */

import { randomBytes } from "node:crypto";
import { parsePath } from "../../path/path.ts";
import type { HsmClient, ListProblem, PoolIdentity, ReadResult, WriteResult } from "../client.ts";
import { HsmError } from "../errors.ts";
import type { BuildContext, BuiltRecord } from "../record/build.ts";
import { CHECKSUM_KEY_BYTES } from "../record/checksum.ts";
import type { SecretRecord } from "../record/record.ts";
import { printable, type Terminal, withProgress } from "./terminal.ts";

export interface Session {
  readonly client: HsmClient;
  readonly terminal: Terminal;
  /** One JSON document on stdout instead of text. */
  readonly json: boolean;
  /** The pool that a token without one will belong to, once something is really written to it. */
  newPool?: PoolIdentity;
}

export type Present = Extract<ReadResult, { state: "present" }>;

export function print(session: Session, text: string, document: unknown): void {
  session.terminal.stdout.write(session.json ? `${JSON.stringify(document)}\n` : `${text}\n`);
}

export function warn(session: Session, problems: readonly ListProblem[]): void {
  for (const { label, reason, message } of problems) {
    session.terminal.stderr.write(
      `warning: ${label === "" ? "" : `${printable(label)}: `}${message} (${reason})\n`,
    );
  }
}

export function checkedPath(path: string): string {
  const parsed = parsePath(path);
  if (!parsed.ok) throw new HsmError("BadInput", parsed.message, { operation: "path" });
  return parsed.path;
}

/** Rejects with `NotFound` when nothing is there. */
export async function readPresent(
  session: Session,
  path: string,
  options: { generation?: number | undefined; foreign?: boolean | undefined } = {},
): Promise<Present> {
  const result = await withProgress(session.terminal, "Reading", () => session.client.read(path, options));
  if (result.state === "present") return result;
  const what =
    options.generation === undefined ? "There is no secret" : `There is no generation ${options.generation}`;
  throw new HsmError("NotFound", `${what} at ${path}.`, { operation: "read" });
}

/** The pool of the token; for one that has none yet, the one that it gets with its first write. */
async function poolOf(session: Session): Promise<PoolIdentity> {
  const present = await session.client.pool();
  if (present !== undefined) return present;
  const { serialNumber } = await session.client.info();
  session.newPool ??= {
    id: randomBytes(16).toString("hex"),
    members: [serialNumber],
    checksumKey: randomBytes(CHECKSUM_KEY_BYTES),
  };
  return session.newPool;
}

async function settlePool(session: Session): Promise<void> {
  const pool = session.newPool;
  if (pool === undefined) return;
  await session.client.setPool(pool);
  delete session.newPool;
  session.terminal.stderr.write(`This token belonged to no pool: it is now the first of pool ${pool.id}.\n`);
}

export async function contextOf(session: Session): Promise<BuildContext> {
  const pool = await poolOf(session);
  const { serialNumber } = await session.client.info();
  return {
    pool: Buffer.from(pool.id, "hex"),
    device: serialNumber,
    writer: "test-hsm",
    now: () => new Date(),
    randomBytes,
  };
}

/** The other heads of a conflict: a new record that knows them settles it. */
export async function headsBeside(session: Session, present: Present): Promise<SecretRecord[]> {
  const heads: SecretRecord[] = [];
  for (const { generation } of present.conflicts) {
    const result = await session.client.read(present.record.path, { generation });
    if (result.state === "present" && result.digest !== present.digest) heads.push(result.record);
  }
  return heads;
}

/** Writes what was built on `present`, and nothing when anything else is there by now. */
export async function writeOver(
  session: Session,
  built: BuiltRecord,
  present: Present | undefined,
  historyLimit: number | undefined,
): Promise<Extract<WriteResult, { status: "written" }>> {
  const { path } = built.record;
  const expect =
    present?.kind === "record"
      ? ({ kind: "generation", generation: present.record.generation, digest: present.digest } as const)
      : ({ kind: "absent" } as const);
  await settlePool(session);
  const [result] = await withProgress(session.terminal, "Writing", () =>
    session.client.write([{ path, record: built.bytes, expect, historyLimit }]),
  );
  if (result?.status === "written") return result;
  if (result?.status === "failed") throw result.error;
  const found = result?.current;
  const there = found === undefined ? "nothing" : `generation ${found.generation}`;
  throw conflict(`Another writer was faster: ${there} is at ${path} now. Nothing was changed.`);
}

export function expectGeneration(
  path: string,
  present: Present | undefined,
  expected: number | undefined,
): void {
  if (expected === undefined) return;
  const generation = present?.record.generation ?? 0;
  if (generation !== expected) {
    throw conflict(
      `Generation ${expected} was expected at ${path}, found is ${generation}. Nothing was changed.`,
    );
  }
}

function conflict(message: string): HsmError {
  return new HsmError("Conflict", message, { operation: "write" });
}
