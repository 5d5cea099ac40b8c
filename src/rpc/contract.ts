/**
 * The contract between manager and agent: every call of HsmClient as a POST with a JSON body. The schemas check
 * what arrives at both ends and turn it into the types of src/hsm; encode.ts makes what they read. Values travel
 * as base64, keys, clocks and labels as lists of pairs (`__proto__` is a lawful name), listings in pages.
 *
 * Requests are strict (an unknown field is refused); answers may gain fields, so that an older manager
 * understands a newer agent.
 */

import * as v from "valibot";

/** Most bytes of a request's body: a secret of 1 MiB in base64, with room. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** Most bytes of an answer that a client takes. */
export const MAX_RESPONSE_BYTES = 8 * 1024 * 1024;
/** Entries and problems in one page of a listing. */
export const PAGE_SIZE = 500;
/** Milliseconds between two signs of life on an event stream. */
export const HEARTBEAT = 10_000;

/** Bytes as canonical base64: what decodes and encodes again to the same text. */
const bytes = v.pipe(
  v.string(),
  v.rawTransform<string, Uint8Array>(({ dataset, addIssue, NEVER }) => {
    const decoded = Buffer.from(dataset.value, "base64");
    if (decoded.toString("base64") === dataset.value) return new Uint8Array(decoded);
    addIssue({ message: "is not base64" });
    return NEVER;
  }),
);

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.string();
/** A path that is asked for. What a token holds may be longer: answers have no limit but the body's. */
const asked = v.pipe(v.string(), v.maxLength(1024));
const state = v.picklist(["live", "dead"]);
const recordKind = v.picklist(["record", "foreign"]);
const served = v.object({ generation: count, digest: text });

/** An HsmError on the wire. */
export const wireError = v.object({
  class: v.picklist([
    "NotFound",
    "AuthFailed",
    "PinLocked",
    "TokenGone",
    "NoSpace",
    "TooLarge",
    "Busy",
    "Timeout",
    "Unsupported",
    "Conflict",
    "Corrupt",
    "BadInput",
    "Internal",
  ]),
  message: text,
  operation: text,
  ckrName: v.optional(text),
  ckrCode: v.optional(count),
});
export type WireError = v.InferOutput<typeof wireError>;

/** RFC 9457 problem document; `detail` is the sentence for people. */
export const problem = v.object({
  type: v.literal("about:blank"),
  title: text,
  status: count,
  detail: text,
  requestId: text,
  error: wireError,
});
export type Problem = v.InferOutput<typeof problem>;

const listEntry = v.object({
  path: text,
  kind: recordKind,
  generation: count,
  digest: text,
  state,
  objects: count,
  records: count,
  conflict: v.boolean(),
});

const listProblem = v.object({
  label: text,
  reason: v.picklist([
    "Incomplete",
    "Corrupt",
    "WrongPath",
    "UnreadableName",
    "AmbiguousKey",
    "GenerationJump",
  ]),
  message: text,
});

const tokenInfo = v.object({
  serialNumber: text,
  label: text,
  manufacturer: text,
  model: text,
  library: text,
  verification: v.picklist(["refresh", "readback"]),
  partSize: count,
  objectCapacity: count,
  pinState: v.picklist(["OK", "CountLow", "FinalTry", "Locked", "Wrong"]),
  mock: v.boolean(),
});

/** Pairs to an object without a prototype, in which `__proto__` is a name like any other. */
const labels = v.pipe(
  v.array(v.tuple([text, v.string()])),
  v.transform(
    (pairs): Readonly<Record<string, string>> =>
      Object.assign(Object.create(null), Object.fromEntries(pairs)),
  ),
);

const record = v.object({
  v: v.literal(1),
  pool: bytes,
  path: text,
  generation: count,
  dot: v.tuple([text, count]),
  clock: v.pipe(
    v.array(v.tuple([text, count])),
    v.transform((pairs): ReadonlyMap<string, number> => new Map(pairs)),
  ),
  writer: text,
  time: text,
  nonce: bytes,
  deleted: v.boolean(),
  meta: v.optional(
    v.object({
      description: v.optional(v.string()),
      labels: v.optional(labels),
      format: v.optional(v.string()),
      dataType: v.optional(v.string()),
      source: v.optional(v.string()),
      createdAt: v.optional(v.string()),
    }),
  ),
  keys: v.array(v.tuple([v.string(), bytes])),
});

const readResult = v.variant("state", [
  v.object({ state: v.literal("absent") }),
  v.object({
    state: v.literal("present"),
    kind: recordKind,
    record,
    digest: text,
    conflicts: v.array(served),
    problems: v.array(listProblem),
  }),
]);

const writeResult = v.variant("status", [
  v.object({ status: v.literal("written"), generation: count, digest: text }),
  v.object({ status: v.literal("conflict"), current: v.optional(listEntry) }),
  v.object({ status: v.literal("failed"), error: wireError }),
]);

const historyEntry = v.object({
  generation: count,
  digest: text,
  state,
  time: text,
  writer: text,
  served: v.boolean(),
});

const poolFields = { id: text, members: v.array(text), checksumKey: bytes };

/** A page of a listing; `next` is absent on the last. */
const page = v.object({
  entries: v.array(listEntry),
  problems: v.array(listProblem),
  version: text,
  objectsUsed: count,
  objectCapacity: count,
  next: v.optional(v.object({ snapshot: text, offset: count })),
});
export type ListingPage = v.InferOutput<typeof page>;

const writeRequest = v.strictObject({
  path: asked,
  record: bytes,
  expect: v.variant("kind", [
    v.strictObject({ kind: v.literal("any") }),
    v.strictObject({ kind: v.literal("absent") }),
    v.strictObject({ kind: v.literal("generation"), generation: count, digest: v.optional(text) }),
  ]),
  historyLimit: v.optional(count),
});

/** `write` calls wait for a card to prove what it stored, which takes longer than a read. */
export type DeadlineKind = "read" | "write";

export const CALLS = {
  info: { request: v.strictObject({}), response: tokenInfo, deadline: "read" },
  pool: {
    request: v.strictObject({}),
    response: v.object({ pool: v.optional(v.object(poolFields)) }),
    deadline: "read",
  },
  setPool: { request: v.strictObject(poolFields), response: v.object({}), deadline: "write" },
  list: {
    request: v.strictObject({ prefix: v.optional(asked), foreign: v.optional(v.boolean()) }),
    response: page,
    deadline: "read",
  },
  page: {
    request: v.strictObject({ snapshot: text, offset: count }),
    response: page,
    deadline: "read",
  },
  read: {
    request: v.strictObject({ path: asked, generation: v.optional(count), foreign: v.optional(v.boolean()) }),
    response: readResult,
    deadline: "read",
  },
  write: {
    request: v.strictObject({ requests: v.pipe(v.array(writeRequest), v.maxLength(1024)) }),
    response: v.object({ results: v.array(writeResult) }),
    deadline: "write",
  },
  history: {
    request: v.strictObject({ path: asked }),
    response: v.object({ entries: v.array(historyEntry) }),
    deadline: "read",
  },
  refresh: { request: v.strictObject({}), response: page, deadline: "write" },
} as const satisfies Record<
  string,
  { request: v.GenericSchema; response: v.GenericSchema; deadline: DeadlineKind }
>;

export type CallName = keyof typeof CALLS;
export type RequestOf<N extends CallName> = v.InferOutput<(typeof CALLS)[N]["request"]>;
export type ResponseOf<N extends CallName> = v.InferOutput<(typeof CALLS)[N]["response"]>;
/** What stands in the JSON. */
export type WireRequest<N extends CallName> = v.InferInput<(typeof CALLS)[N]["request"]>;
export type WireResponse<N extends CallName> = v.InferInput<(typeof CALLS)[N]["response"]>;

export function callPath(name: CallName): string {
  return `/v1/${name}`;
}

export const CHANGES_PATH = "/v1/changes";

/**
 * One line of the event stream (NDJSON). `hello` says that the subscription stands, `alive` that nobody has gone,
 * `bye` that the agent wants the stream opened anew (its certificates changed, or it ends).
 */
export const streamLine = v.variant("kind", [
  v.object({ kind: v.literal("hello") }),
  v.object({ kind: v.literal("alive") }),
  v.object({ kind: v.literal("bye") }),
  v.object({ kind: v.literal("changed"), version: text, paths: v.array(text) }),
  v.object({ kind: v.literal("gone"), reason: text }),
  v.object({ kind: v.literal("back"), version: text }),
]);
export type StreamLine = v.InferOutput<typeof streamLine>;
