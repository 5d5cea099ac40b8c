/** Makes the JSON that the schemas of contract.ts read: bytes to base64, maps and objects to lists of pairs. */

import type { Listing, PoolIdentity, ReadResult, WriteRequest, WriteResult } from "../hsm/client.ts";
import { HsmError } from "../hsm/errors.ts";
import type { RecordMeta } from "../hsm/record/record.ts";
import {
  type ListingPage,
  PAGE_SIZE,
  type WireError,
  type WireRequest,
  type WireResponse,
} from "./contract.ts";

export function encodeBytes(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
}

export function encodeError(error: unknown, operation: string): WireError {
  if (!(error instanceof HsmError)) {
    // The text of an unforeseen error may hold anything: it stays in the agent's log.
    return { class: "Internal", message: "The agent failed; its log says how.", operation };
  }
  return {
    class: error.class,
    message: error.message,
    operation: error.operation,
    ...(error.ckrName === undefined ? {} : { ckrName: error.ckrName }),
    ...(error.ckrCode === undefined ? {} : { ckrCode: error.ckrCode }),
  };
}

/** `requestId` is the correlation id under which the agent's log tells more. */
export function decodeError(error: WireError, requestId?: string): HsmError {
  const cause = requestId === undefined ? undefined : new Error(`agent's request ${requestId}`);
  return new HsmError(error.class, error.message, {
    operation: error.operation,
    ...(error.ckrName === undefined ? {} : { ckrName: error.ckrName }),
    ...(error.ckrCode === undefined ? {} : { ckrCode: error.ckrCode }),
    cause,
  });
}

export function encodePool(pool: PoolIdentity): WireRequest<"setPool"> {
  return { id: pool.id, members: [...pool.members], checksumKey: encodeBytes(pool.checksumKey) };
}

export function encodeReadResult(result: ReadResult): WireResponse<"read"> {
  if (result.state === "absent") return { state: "absent" };
  const { record } = result;
  return {
    state: "present",
    kind: result.kind,
    digest: result.digest,
    conflicts: [...result.conflicts],
    problems: [...result.problems],
    record: {
      v: record.v,
      pool: encodeBytes(record.pool),
      path: record.path,
      generation: record.generation,
      dot: [record.dot[0], record.dot[1]],
      clock: [...record.clock].map(([device, counter]) => [device, counter]),
      writer: record.writer,
      time: record.time,
      nonce: encodeBytes(record.nonce),
      deleted: record.deleted,
      ...(record.meta === undefined ? {} : { meta: encodeMeta(record.meta) }),
      keys: record.keys.map(([name, value]) => [name, encodeBytes(value)]),
    },
  };
}

function encodeMeta(meta: RecordMeta) {
  const { labels, ...rest } = meta;
  if (labels === undefined) return rest;
  return { ...rest, labels: Object.entries(labels).map(([name, value]): [string, string] => [name, value]) };
}

export function encodeWriteRequest(request: WriteRequest): WireRequest<"write">["requests"][number] {
  return {
    path: request.path,
    record: encodeBytes(request.record),
    expect: request.expect,
    ...(request.historyLimit === undefined ? {} : { historyLimit: request.historyLimit }),
  };
}

export function encodeWriteResult(result: WriteResult): WireResponse<"write">["results"][number] {
  switch (result.status) {
    case "written":
      return result;
    case "conflict":
      return { status: "conflict", ...(result.current === undefined ? {} : { current: result.current }) };
    case "failed":
      return { status: "failed", error: encodeError(result.error, "write") };
  }
}

/** The page of a listing that begins at `offset`, entries first, problems after them. */
export function encodePage(listing: Listing, snapshot: string, offset: number): ListingPage {
  const end = offset + PAGE_SIZE;
  const entriesBefore = listing.entries.length;
  const total = entriesBefore + listing.problems.length;
  return {
    entries: listing.entries.slice(offset, end),
    problems: listing.problems.slice(Math.max(0, offset - entriesBefore), Math.max(0, end - entriesBefore)),
    version: listing.version,
    objectsUsed: listing.objectsUsed,
    objectCapacity: listing.objectCapacity,
    ...(end < total ? { next: { snapshot, offset: end } } : {}),
  };
}
