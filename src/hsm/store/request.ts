/** Checks a write request and cuts its record into parts. Pure: nothing on the token is looked at. */

import { parsePath } from "../../path/path.ts";
import type { WriteRequest } from "../client.ts";
import { HsmError, isHsmError } from "../errors.ts";
import { decodeRecord } from "../record/codec.ts";
import { recordDigest, shortDigest } from "../record/digest.ts";
import { encodeParts } from "../record/part.ts";
import type { PlannedWrite } from "../record/plan.ts";
import { POOL_PATH } from "../record/record.ts";

export interface WriteRules {
  /** The token's pool id; `undefined` when it has none; `any` for the record that names it. */
  readonly pool: string | undefined;
  readonly partSize: number;
  readonly historyLimit: number;
}

/** The error is the answer to the request: nothing was written. */
export function prepareWrite(request: WriteRequest, rules: WriteRules): PlannedWrite | HsmError {
  try {
    return prepare(request, rules);
  } catch (error) {
    if (isHsmError(error)) return error;
    throw error;
  }
}

function prepare(request: WriteRequest, rules: WriteRules): PlannedWrite {
  const parsed = parsePath(request.path);
  if (!parsed.ok && request.path !== POOL_PATH) throw bad(parsed.message);
  const limit = request.historyLimit ?? rules.historyLimit;
  if (!Number.isSafeInteger(limit) || limit < 0) throw bad("A history limit is a whole number, 0 or more.");
  const record = decodeRecord(request.record);
  if (record.path !== request.path) throw bad("The record is that of another path.");
  const pool = Buffer.from(record.pool).toString("hex");
  if (rules.pool === undefined)
    throw bad("The token belongs to no pool yet: it must get one before a secret.");
  if (rules.pool !== "any" && rules.pool !== pool) {
    throw new HsmError("Conflict", "The token belongs to another pool than the record.", {
      operation: "write",
    });
  }
  const digest = recordDigest(request.record);
  return {
    path: record.path,
    generation: record.generation,
    digest: shortDigest(digest),
    state: record.deleted ? "dead" : "live",
    pool,
    dot: record.dot,
    clock: record.clock,
    parts: encodeParts(request.record, digest, rules.partSize),
    expect: request.expect,
    historyLimit: limit,
  };
}

function bad(message: string): HsmError {
  return new HsmError("BadInput", message, { operation: "write" });
}
