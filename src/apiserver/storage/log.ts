/**
 * The append-only file behind the store.
 *
 * Policy: an append is one `write(2)` before the request is answered, without fsync. The kernel then owns the bytes, so
 * an acknowledged write survives a SIGKILL of this process at any point; a power cut may lose the last seconds. fsync
 * is called when the file is rewritten (compaction) and when it is closed.
 */

import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { encodeFrame, scanFrames } from "./frames.ts";

export type LogRecord =
  | { readonly op: "revision"; readonly revision: number }
  | {
      readonly op: "put";
      readonly revision: number;
      readonly resource: string;
      readonly key: string;
      readonly json: string;
    }
  | { readonly op: "delete"; readonly revision: number; readonly resource: string; readonly key: string };

/** The log cannot be read: it is damaged in the middle, or written by another version. */
export class LogDamaged extends Error {
  override readonly name = "LogDamaged";
  readonly code = "LOG_DAMAGED";
}

export class Log {
  readonly #path: string;
  #file: number;
  #size: number;

  private constructor(path: string, file: number, size: number) {
    this.#path = path;
    this.#file = file;
    this.#size = size;
  }

  /** Reads every whole record (torn tail cut off), then stands ready to append. */
  static open(path: string, onRecord: (record: LogRecord) => void): Log {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(temporary(path), { force: true }); // A compaction that did not end: the log itself is still whole.
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    const scan = scanFrames(bytes, (payload) => onRecord(decodeRecord(payload.toString("utf8"))));
    if (scan.tail === "damaged") {
      throw new LogDamaged(
        `${path} is damaged at byte ${scan.end}: nothing was changed; restore the file or move it away to start empty.`,
      );
    }
    const file = openSync(path, "a", 0o600);
    if (scan.end < bytes.length) ftruncateSync(file, scan.end);
    return new Log(path, file, scan.end);
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#size;
  }

  append(record: LogRecord): void {
    const frame = encodeFrame(encodeRecord(record));
    try {
      writeAll(this.#file, frame);
    } catch (error) {
      // A part of the frame may be in the file (disk full): take it out, or every later record would be unreadable.
      ftruncateSync(this.#file, this.#size);
      throw error;
    }
    this.#size += frame.length;
  }

  /** Replaces the file by one that holds only `records`; a kill at any point leaves the old file or the new one. */
  rewrite(records: Iterable<LogRecord>): void {
    const next = temporary(this.#path);
    const file = openSync(next, "w", 0o600);
    try {
      for (const record of records) writeAll(file, encodeFrame(encodeRecord(record)));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(next, this.#path);
    syncFolder(dirname(this.#path));
    closeSync(this.#file);
    this.#file = openSync(this.#path, "a", 0o600);
    this.#size = fstatSync(this.#file).size;
  }

  close(): void {
    fsyncSync(this.#file);
    closeSync(this.#file);
  }
}

function temporary(path: string): string {
  return `${path}.next`;
}

function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at);
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** One JSON header line, then the object's JSON as it is served, so that it is neither parsed nor escaped twice. */
function encodeRecord(record: LogRecord): string {
  if (record.op !== "put") return JSON.stringify(record);
  const { json, ...header } = record;
  return `${JSON.stringify(header)}\n${json}`;
}

function decodeRecord(payload: string): LogRecord {
  const newline = payload.indexOf("\n");
  const header = JSON.parse(newline < 0 ? payload : payload.slice(0, newline)) as LogRecord;
  return header.op === "put" ? { ...header, json: payload.slice(newline + 1) } : header;
}
