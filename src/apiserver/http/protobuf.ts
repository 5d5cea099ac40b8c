/**
 * Bodies in protobuf, as kubectl's `create secret` and its kin send them: read into the JSON form.
 *
 * Only the messages that kubectl writes for small kinds are known (field numbers of k8s.io/api, generated.proto); a
 * body of another kind is refused as an unknown media type. Answers are never protobuf: clients that send it accept
 * JSON too.
 */

import type { JsonObject } from "../object.ts";

const MAGIC = Buffer.from("k8s\0", "latin1");

type Scalar = "string" | "bytes" | "int" | "bool" | "time";
interface Field {
  readonly name: string;
  readonly type: Scalar | Message;
  readonly repeated?: boolean;
  /** A map from strings to the type. */
  readonly map?: boolean;
}
type Message = Readonly<Record<number, Field>>;

const one = (name: string, type: Scalar | Message): Field => ({ name, type });
const many = (name: string, type: Scalar | Message): Field => ({ name, type, repeated: true });
const map = (name: string, type: Scalar): Field => ({ name, type, map: true });

const OWNER: Message = {
  1: one("kind", "string"),
  3: one("name", "string"),
  4: one("uid", "string"),
  5: one("apiVersion", "string"),
  6: one("controller", "bool"),
  7: one("blockOwnerDeletion", "bool"),
};
const META: Message = {
  1: one("name", "string"),
  2: one("generateName", "string"),
  3: one("namespace", "string"),
  5: one("uid", "string"),
  6: one("resourceVersion", "string"),
  7: one("generation", "int"),
  8: one("creationTimestamp", "time"),
  9: one("deletionTimestamp", "time"),
  10: one("deletionGracePeriodSeconds", "int"),
  11: map("labels", "string"),
  12: map("annotations", "string"),
  13: many("ownerReferences", OWNER),
  14: many("finalizers", "string"),
};
const RULE: Message = {
  1: many("verbs", "string"),
  2: many("apiGroups", "string"),
  3: many("resources", "string"),
  4: many("resourceNames", "string"),
  5: many("nonResourceURLs", "string"),
};
const SUBJECT: Message = {
  1: one("kind", "string"),
  2: one("apiGroup", "string"),
  3: one("name", "string"),
  4: one("namespace", "string"),
};
const ROLE_REF: Message = {
  1: one("apiGroup", "string"),
  2: one("kind", "string"),
  3: one("name", "string"),
};
const metadata = one("metadata", META);
const ROLE: Message = { 1: metadata, 2: many("rules", RULE) };
const BINDING: Message = { 1: metadata, 2: many("subjects", SUBJECT), 3: one("roleRef", ROLE_REF) };
const ACCESS: Message = {
  1: one("resourceAttributes", {
    1: one("namespace", "string"),
    2: one("verb", "string"),
    3: one("group", "string"),
    4: one("version", "string"),
    5: one("resource", "string"),
    6: one("subresource", "string"),
    7: one("name", "string"),
  }),
  2: one("nonResourceAttributes", { 1: one("path", "string"), 2: one("verb", "string") }),
};

const MESSAGES: Readonly<Record<string, Message>> = {
  Secret: {
    1: metadata,
    2: map("data", "bytes"),
    3: one("type", "string"),
    4: map("stringData", "string"),
    5: one("immutable", "bool"),
  },
  ConfigMap: {
    1: metadata,
    2: map("data", "string"),
    3: map("binaryData", "bytes"),
    4: one("immutable", "bool"),
  },
  Namespace: { 1: metadata },
  ServiceAccount: { 1: metadata, 4: one("automountServiceAccountToken", "bool") },
  Role: ROLE,
  ClusterRole: ROLE,
  RoleBinding: BINDING,
  ClusterRoleBinding: BINDING,
  SelfSubjectAccessReview: { 1: metadata, 2: one("spec", ACCESS) },
  SelfSubjectRulesReview: { 1: metadata, 2: one("spec", { 1: one("namespace", "string") }) },
  SelfSubjectReview: { 1: metadata },
  TokenRequest: {
    1: metadata,
    2: one("spec", {
      1: many("audiences", "string"),
      3: one("boundObjectRef", {
        1: one("kind", "string"),
        2: one("apiVersion", "string"),
        3: one("name", "string"),
        4: one("uid", "string"),
      }),
      4: one("expirationSeconds", "int"),
    }),
  },
  DeleteOptions: {
    1: one("gracePeriodSeconds", "int"),
    2: one("preconditions", { 1: one("uid", "string"), 2: one("resourceVersion", "string") }),
    3: one("orphanDependents", "bool"),
    4: one("propagationPolicy", "string"),
    5: many("dryRun", "string"),
  },
};

/** The envelope around every object: its type and its bytes. */
const UNKNOWN: Message = {
  1: one("typeMeta", { 1: one("apiVersion", "string"), 2: one("kind", "string") }),
  2: one("raw", "bytes"),
};

/** The object of a protobuf body; undefined when it is of a kind that is not known here, or no such body at all. */
export function decodeProtobuf(body: Buffer): JsonObject | undefined {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  try {
    const envelope = read(body.subarray(MAGIC.length), UNKNOWN);
    const type = envelope["typeMeta"] as { apiVersion?: string; kind?: string } | undefined;
    const message = MESSAGES[type?.kind ?? ""];
    if (message === undefined) return undefined;
    const raw = Buffer.from(String(envelope["raw"] ?? ""), "base64");
    return { apiVersion: type?.apiVersion ?? "", kind: type?.kind ?? "", ...read(raw, message) };
  } catch (error) {
    if (error instanceof RangeError) return undefined; // It ends in the middle of a field.
    throw error;
  }
}

function read(bytes: Buffer, message: Message): JsonObject {
  const result: JsonObject = {};
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const tag = Number(varint(bytes, cursor));
    const wire = tag & 7;
    const value = wire === 0 ? varint(bytes, cursor) : wire === 2 ? chunk(bytes, cursor) : skip(wire, cursor);
    const field = message[tag >> 3];
    if (field === undefined || value === undefined) continue;
    if (field.map === true) put(result, field, value);
    else if (field.repeated === true) {
      const list = (result[field.name] ?? []) as unknown[];
      list.push(convert(value, field.type));
      result[field.name] = list;
    } else {
      const converted = convert(value, field.type);
      // Go writes empty texts and zero times for what is not set.
      if (converted !== "" && converted !== undefined) result[field.name] = converted;
    }
  }
  return result;
}

function put(result: JsonObject, field: Field, entry: bigint | Buffer): void {
  const { key = "", value } = read(entry as Buffer, { 1: one("key", "string"), 2: one("value", field.type) });
  const target = (result[field.name] ?? {}) as JsonObject;
  const item = { value: value ?? "", enumerable: true, configurable: true, writable: true };
  Object.defineProperty(target, String(key), item);
  result[field.name] = target;
}

function convert(value: bigint | Buffer, type: Scalar | Message): unknown {
  if (typeof value === "bigint") return type === "bool" ? value !== 0n : Number(BigInt.asIntN(64, value));
  if (type === "string") return value.toString("utf8");
  if (type === "bytes") return value.toString("base64");
  if (type === "time") {
    const seconds = Number(read(value, { 1: one("seconds", "int") })["seconds"] ?? 0);
    return seconds <= 0 ? undefined : `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
  }
  return typeof type === "object" ? read(value, type) : undefined;
}

function varint(bytes: Buffer, cursor: { at: number }): bigint {
  let result = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = bytes.readUInt8(cursor.at);
    cursor.at += 1;
    result |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return result;
  }
  throw new RangeError("a varint of more than ten bytes");
}

function chunk(bytes: Buffer, cursor: { at: number }): Buffer {
  const length = Number(varint(bytes, cursor));
  const end = cursor.at + length;
  if (end > bytes.length) throw new RangeError("a field longer than its message");
  const part = bytes.subarray(cursor.at, end);
  cursor.at = end;
  return part;
}

function skip(wire: number, cursor: { at: number }): undefined {
  if (wire !== 1 && wire !== 5) throw new RangeError(`unknown wire type ${wire}`);
  cursor.at += wire === 1 ? 8 : 4;
  return undefined;
}
