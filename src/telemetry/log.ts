/**
 * Logger: JSON lines by pino. Redaction is by construction: a field is a string, a number, a boolean or a list of
 * strings; bytes and objects are not taken, so that a record, a value or a PIN cannot be passed by mistake.
 */

import { type DestinationStream, pino } from "pino";
import { correlationId } from "./correlation.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogField = string | number | boolean | null | undefined | readonly string[];

/** `error` is written as name, code, message and stack, with its causes; other properties of it are left out. */
export type LogFields = { readonly [name: string]: LogField } & { readonly error?: never };

export interface Logger {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields, error?: unknown): void;
  error(message: string, fields?: LogFields, error?: unknown): void;
  /** A logger whose lines carry these fields too. Follows the level of its root. */
  child(fields: LogFields): Logger;
  isEnabled(level: LogLevel): boolean;
}

export interface RootLogger extends Logger {
  readonly level: LogLevel;
  /** At run time, for all children too. */
  setLevel(level: LogLevel): void;
}

export interface LoggerOptions {
  /** The program, e.g. `manager`. */
  readonly name: string;
  readonly level?: LogLevel | undefined;
  /** Standard error unless told: standard output belongs to what a program prints. */
  readonly destination?: DestinationStream | undefined;
}

export function isLogLevel(text: string): text is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(text);
}

export function createLogger(options: LoggerOptions): RootLogger {
  let level: LogLevel = options.level ?? "info";
  // The pino instance takes everything; our own threshold decides, so that children follow a change of level.
  const sink = pino(
    {
      level: "trace",
      base: { program: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
  const enabled = (wanted: LogLevel) => LOG_LEVELS.indexOf(wanted) >= LOG_LEVELS.indexOf(level);

  function make(bound: Record<string, LogField>): Logger {
    const write = (
      at: Exclude<LogLevel, "silent">,
      message: string,
      fields: LogFields | undefined,
      error?: unknown,
    ) => {
      if (!enabled(at)) return;
      const line: Record<string, unknown> = { ...bound, ...clean(fields) };
      const id = correlationId();
      if (id !== undefined) line["correlationId"] = id;
      if (error !== undefined) line["error"] = describeError(error);
      sink[at](line, message);
    };
    return {
      trace: (message, fields) => write("trace", message, fields),
      debug: (message, fields) => write("debug", message, fields),
      info: (message, fields) => write("info", message, fields),
      warn: (message, fields, error) => write("warn", message, fields, error),
      error: (message, fields, error) => write("error", message, fields, error),
      child: (fields) => make({ ...bound, ...clean(fields) }),
      isEnabled: enabled,
    };
  }

  return {
    ...make({}),
    get level() {
      return level;
    },
    setLevel(next) {
      level = next;
    },
  };
}

/** A logger that writes nothing. */
export const silentLogger: Logger = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
  isEnabled: () => false,
};

/** The types forbid anything else; a cast would get here, and still writes nothing that could be a value. */
function clean(fields: LogFields | undefined): Record<string, LogField> {
  const kept: Record<string, LogField> = {};
  for (const [name, value] of Object.entries((fields ?? {}) as Record<string, unknown>)) {
    if (value === undefined) continue;
    kept[name] = isField(value) ? value : "[not a plain field]";
  }
  return kept;
}

function isField(value: unknown): value is LogField {
  if (Array.isArray(value)) return value.every((item) => typeof item === "string");
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

interface ErrorLine {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: ErrorLine;
}

const DEEPEST_CAUSE = 5;

function describeError(error: unknown, depth = 0): ErrorLine {
  if (!(error instanceof Error))
    return { name: typeof error, message: "something that is no Error was thrown" };
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const stack = depth === 0 && error.stack !== undefined ? { stack: error.stack } : {};
  const cause =
    error.cause === undefined || depth >= DEEPEST_CAUSE
      ? {}
      : { cause: describeError(error.cause, depth + 1) };
  return { name: error.name, message: error.message, ...code, ...stack, ...cause };
}
