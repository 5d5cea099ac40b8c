/** The commands of test-hsm that only look: info, list, read, history, checksum. */

import { HsmError } from "../errors.ts";
import { listTokens } from "../pkcs11/slots.ts";
import { checksum } from "../record/checksum.ts";
import { checkedPath, print, readPresent, type Session, warn } from "./session.ts";
import { printable, shownValue, type Terminal, table, withProgress } from "./terminal.ts";

/** Without a token: what the library shows. No login. */
export async function showTokens(module: string, terminal: Terminal, json: boolean): Promise<void> {
  const slots = await listTokens(module);
  if (json) terminal.stdout.write(`${JSON.stringify({ tokens: slots })}\n`);
  else if (slots.length === 0) terminal.stdout.write("The library shows no token.\n");
  else {
    const rows = slots.map((s) => [
      String(s.slot ?? "-"),
      s.serialNumber,
      printable(s.label),
      s.deviceType,
      s.initialized ? "yes" : "no",
      s.pinState,
    ]);
    terminal.stdout.write(`${table(["SLOT", "SERIAL", "LABEL", "TYPE", "INITIALIZED", "PIN"], rows)}\n`);
  }
}

export async function info(session: Session): Promise<void> {
  const token = await session.client.info();
  const pool = await session.client.pool();
  const listing = await session.client.list();
  const lines = [
    ["Token", printable(token.label)],
    ["Serial number", token.serialNumber],
    ["Manufacturer, model", printable(`${token.manufacturer}, ${token.model}`)],
    ["Library", printable(token.library)],
    ["Mock", token.mock ? "YES: nothing here is on hardware" : "no"],
    ["Objects", `${listing.objectsUsed} of ${listing.objectCapacity}`],
    ["Secrets", String(listing.entries.filter((entry) => entry.state === "live").length)],
    ["Part size", `${token.partSize} bytes`],
    ["Writes are proven by", token.verification === "refresh" ? "a fresh look at the token" : "reading back"],
    ["PIN", token.pinState],
    ["Pool", pool === undefined ? "none yet" : pool.id],
    ["Members", pool === undefined ? "-" : pool.members.map(printable).join(", ")],
  ];
  const width = Math.max(...lines.map(([name = ""]) => name.length));
  print(session, lines.map(([name = "", value = ""]) => `${name.padEnd(width)}  ${value}`).join("\n"), {
    ...token,
    objectsUsed: listing.objectsUsed,
    pool: pool === undefined ? null : { id: pool.id, members: pool.members },
    problems: listing.problems,
  });
  warn(session, listing.problems);
}

export async function list(session: Session, prefix: string | undefined, foreign: boolean): Promise<void> {
  const checked = prefix === undefined ? undefined : checkedPath(prefix.replace(/\/$/, ""));
  const listing = await withProgress(session.terminal, "Listing", () =>
    session.client.list({ prefix: checked, foreign }),
  );
  const rows = listing.entries.map((e) => [
    e.path,
    e.kind,
    String(e.generation),
    e.conflict ? `${e.state}, CONFLICT` : e.state,
    String(e.objects),
    e.digest === "" ? "-" : e.digest.slice(0, 12),
  ]);
  const text = table(["PATH", "KIND", "GENERATION", "STATE", "OBJECTS", "DIGEST"], rows);
  print(session, rows.length === 0 ? "No secrets." : text, listing);
  warn(session, listing.problems);
}

export interface ReadFlags {
  readonly generation?: number;
  readonly reveal?: boolean;
  readonly raw?: string;
  readonly foreign?: boolean;
}

export async function read(session: Session, path: string, flags: ReadFlags): Promise<void> {
  const present = await readPresent(session, checkedPath(path), flags);
  const { record } = present;
  if (flags.raw !== undefined) {
    const value = record.keys.find(([name]) => name === flags.raw)?.[1];
    if (value === undefined) {
      throw new HsmError("NotFound", `The secret at ${path} has no such key.`, { operation: "read" });
    }
    session.terminal.stdout.write(value);
    return;
  }
  const lines = [
    `Path        ${record.path}`,
    `Generation  ${record.generation}${record.deleted ? " (deleted)" : ""}`,
    `Written     ${printable(record.time)} by ${printable(record.writer === "" ? present.kind : record.writer)}`,
    ...(record.meta?.description === undefined ? [] : [`Description ${printable(record.meta.description)}`]),
    ...record.keys.map(([name, value]) =>
      flags.reveal === true ? `${name}: ${shownValue(value)}` : `${name}: (hidden, ${value.length} bytes)`,
    ),
  ];
  for (const other of present.conflicts) lines.push(`CONFLICT with generation ${other.generation}`);
  print(session, lines.join("\n"), {
    path: record.path,
    kind: present.kind,
    generation: record.generation,
    digest: present.digest,
    deleted: record.deleted,
    time: record.time,
    writer: record.writer,
    meta: record.meta ?? {},
    conflicts: present.conflicts,
    keys: record.keys.map(([name, value]) => ({
      name,
      bytes: value.length,
      ...(flags.reveal === true ? { base64: Buffer.from(value).toString("base64") } : {}),
    })),
    problems: present.problems,
  });
  warn(session, present.problems);
}

export async function history(session: Session, path: string): Promise<void> {
  const entries = await withProgress(session.terminal, "Reading", () =>
    session.client.history(checkedPath(path)),
  );
  if (entries.length === 0) {
    throw new HsmError("NotFound", `There is no record at ${path}.`, { operation: "history" });
  }
  const rows = entries.map((e) => [
    String(e.generation),
    e.served ? "served" : "",
    e.state,
    printable(e.time),
    printable(e.writer),
    e.digest.slice(0, 12),
  ]);
  print(session, table(["GENERATION", "", "STATE", "TIME", "WRITER", "DIGEST"], rows), {
    path,
    history: entries,
  });
}

export async function showChecksum(
  session: Session,
  path: string,
  generation: number | undefined,
): Promise<void> {
  const present = await readPresent(session, checkedPath(path), { generation });
  const pool = await session.client.pool();
  if (pool === undefined) {
    throw new HsmError("NotFound", "This token belongs to no pool yet, and so has no key for checksums.", {
      operation: "checksum",
    });
  }
  const sum = checksum(present.record.keys, pool.checksumKey);
  print(session, sum, { path, generation: present.record.generation, checksum: sum });
}
