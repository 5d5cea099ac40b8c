/**
 * A small model of both sides in memory, behind the interfaces that the reconciler uses, on a power line that can be
 * cut before or after any call that changes something.
 */

import { createHsmSecretReconciler } from "../../src/controllers/hsmsecret/reconcile.ts";
import type { HsmSecretObject } from "../../src/controllers/hsmsecret/resource.ts";
import type { SecretRecord } from "../../src/hsm/record/record.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { systemClock } from "../../src/kube/clock.ts";
import { KubeError } from "../../src/kube/error.ts";
import { type KubeObject, keyOf, type ObjectRef, type Resource } from "../../src/kube/object.ts";
import type { Secret } from "../../src/kube/resources.ts";
import type { Observation, SecretKey, SecretStore, StoreRead } from "../../src/pool/store.ts";
import { checksums } from "./plan-facts.ts";

export const MODEL_PATH = "secrets/shop/db";
const POOL = "11".repeat(16);

export class PowerCut extends Error {}

/** Counts the calls that change something, and cuts at the one that it was told. */
export class PowerLine {
  calls = 0;
  #cut: { readonly at: number; readonly after: boolean } | undefined;

  cutAt(at: number, after: boolean): void {
    this.#cut = { at: this.calls + at, after };
  }

  mend(): void {
    this.#cut = undefined;
  }

  run<T>(write: () => T): T {
    this.calls += 1;
    const hit = this.#cut?.at === this.calls;
    if (hit && this.#cut?.after === false) throw new PowerCut("cut before the call");
    const result = write();
    if (hit) throw new PowerCut("cut after the call");
    return result;
  }
}

type Json = { [name: string]: unknown };

function failure(status: number, reason: string): KubeError {
  return new KubeError(reason, { status, reason, body: { details: { name: "x" } } });
}

function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Json = { ...(typeof target === "object" && target !== null ? (target as Json) : {}) };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merge(result[name], value);
  }
  return result;
}

export class Model {
  readonly line = new PowerLine();
  readonly objects = new Map<string, KubeObject>();
  /** Records at the path, oldest first; none of which is ever pruned. */
  records: SecretRecord[] = [];
  pool = POOL;
  /** Data that the Secret ever had, to find a torn one. */
  readonly seenData = new Set<string>();
  #version = 10;
  #uid = 0;

  readonly reconcile = createHsmSecretReconciler({
    client: this.client(),
    store: this.store(),
    events: { record() {}, flush: async () => {}, close: async () => {} },
    clock: { ...systemClock, now: () => Date.UTC(2026, 0, 1) },
    random: () => 0.5,
    rivals: { of: () => ({}) },
    devices: () => [],
    cached: { hsmSecret: () => undefined, secret: () => undefined },
    onWritten: () => {},
  });

  /** Reconciles until nothing is written any more; how many rounds that took. */
  async settle(): Promise<number> {
    for (let round = 1; round <= 8; round += 1) {
      const before = this.line.calls;
      await this.reconcile("shop/db", new AbortController().signal).catch((error: unknown) => {
        if (error instanceof KubeError || error instanceof PowerCut) throw error;
      });
      if (this.line.calls === before) return round;
    }
    throw new Error("The reconciler never comes to rest.");
  }

  hsmSecret(): HsmSecretObject | undefined {
    return this.objects.get("HSMSecret shop/db") as HsmSecretObject | undefined;
  }

  secret(): Secret | undefined {
    return this.objects.get("Secret shop/db") as Secret | undefined;
  }

  /** Of a person: never cut. */
  put(kind: "HSMSecret" | "Secret", change: (object: Json) => Json): void {
    const old = this.objects.get(`${kind} shop/db`);
    this.#store(
      kind,
      change(JSON.parse(JSON.stringify(old ?? this.#blank(kind))) as Json) as unknown as KubeObject,
    );
  }

  #blank(kind: string): KubeObject {
    this.#uid += 1;
    const metadata = {
      namespace: "shop",
      name: "db",
      uid: `uid-${this.#uid}`,
      resourceVersion: "0",
      generation: 1,
    };
    return { apiVersion: kind === "Secret" ? "v1" : "hsm.j5t.io/v1alpha1", kind, metadata };
  }

  #store(kind: string, object: KubeObject): KubeObject {
    this.#version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.objects.set(`${kind} shop/db`, stored);
    if (kind === "Secret") this.seenData.add(JSON.stringify((stored as Secret).data ?? {}));
    return stored;
  }

  deleteHsmSecret(): void {
    const object = this.hsmSecret();
    if (object === undefined) return;
    if ((object.metadata.finalizers ?? []).length === 0) this.#gone(object);
    else
      this.put(
        "HSMSecret",
        (old) => merge(old, { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }) as Json,
      );
  }

  /** The collector takes what the HSMSecret owned. */
  #gone(object: KubeObject): void {
    this.objects.delete(`HSMSecret ${keyOf(object)}`);
    const owned = this.secret()?.metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid);
    if (owned === true) this.objects.delete("Secret shop/db");
  }

  writeRecord(keys: readonly SecretKey[] | null, meta?: SecretRecord["meta"], descends = true): SecretRecord {
    const last = this.records.at(-1);
    const generation = (last?.generation ?? 0) + 1;
    const device = descends ? "A" : "B";
    const record: SecretRecord = {
      v: 1,
      pool: Buffer.from(this.pool, "hex"),
      path: MODEL_PATH,
      generation,
      dot: [device, generation],
      clock: new Map([[device, generation]]),
      writer: "model",
      time: "",
      nonce: new Uint8Array(16),
      deleted: keys === null,
      meta,
      keys: keys ?? [],
    };
    this.records.push(record);
    return record;
  }

  client(): KubeClient {
    const place = (resource: Resource, ref: ObjectRef) => `${resource.kind} ${keyOf(ref)}`;
    const find = async (resource: Resource, ref: ObjectRef) => this.objects.get(place(resource, ref));
    const client = {
      find,
      get: async (resource: Resource, ref: ObjectRef) => {
        const object = await find(resource, ref);
        if (object === undefined) throw failure(404, "NotFound");
        return object;
      },
      create: async (resource: Resource, object: Json) =>
        this.line.run(() => {
          if (this.objects.has(`${resource.kind} shop/db`)) throw failure(409, "AlreadyExists");
          return this.#store(resource.kind, merge(this.#blank(resource.kind), object) as KubeObject);
        }),
      patch: async (
        resource: Resource,
        ref: ObjectRef,
        patch: { readonly body: { readonly metadata?: Json } },
      ) =>
        this.line.run(() => {
          const old = this.objects.get(place(resource, ref));
          if (old === undefined) throw failure(404, "NotFound");
          const { uid, resourceVersion } = patch.body.metadata ?? {};
          const stale = resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion;
          if (stale || (uid !== undefined && uid !== old.metadata.uid)) throw failure(409, "Conflict");
          const stored = this.#store(resource.kind, merge(old, patch.body) as KubeObject);
          const { deletionTimestamp, finalizers = [] } = stored.metadata;
          if (deletionTimestamp !== undefined && finalizers.length === 0) this.#gone(stored);
          return stored;
        }),
      delete: async (resource: Resource, ref: ObjectRef, options: { readonly preconditions?: Json }) =>
        this.line.run(() => {
          const old = this.objects.get(place(resource, ref));
          if (old === undefined) throw failure(404, "NotFound");
          if (options.preconditions?.["resourceVersion"] !== old.metadata.resourceVersion)
            throw failure(409, "Conflict");
          this.objects.delete(place(resource, ref));
          return undefined;
        }),
    };
    return client as unknown as KubeClient;
  }

  store(): SecretStore {
    const describe = (record: SecretRecord) => ({
      state: "present" as const,
      kind: "record" as const,
      pool: Buffer.from(record.pool).toString("hex"),
      digest: `${record.generation} ${record.dot[0]}`,
    });
    return {
      observe: async (): Promise<Observation> => {
        const last = this.records.at(-1);
        if (last === undefined) return { state: "absent", pool: this.pool };
        return { ...describe(last), generation: last.generation, deleted: last.deleted, conflict: false };
      },
      read: async ({ generation }): Promise<StoreRead> => {
        const record =
          generation === undefined
            ? this.records.at(-1)
            : this.records.find((candidate) => candidate.generation === generation);
        if (record === undefined) return { state: "absent", pool: this.pool };
        return { ...describe(record), record, conflicts: [], checksum: checksums.of(record.keys) };
      },
      write: async (intent) =>
        this.line.run(() => {
          const last = this.records.at(-1);
          const expected = intent.expect === "absent" ? undefined : intent.expect.generation;
          if (last?.generation !== expected) return { status: "conflict" };
          const record = this.writeRecord(intent.keys, intent.meta);
          const { pool, digest } = describe(record);
          const { generation, dot, keys } = record;
          return { status: "written", pool, digest, generation, dot, checksum: checksums.of(keys) };
        }),
      checksum: checksums.of,
      knowsChecksum: checksums.knows,
      onChange: () => () => {},
      close: async () => {},
    };
  }

  /** What matters of the state, in one text. */
  inWords(): string {
    const object = this.hsmSecret();
    const last = this.records.at(-1);
    const token = last === undefined ? "nothing" : last.deleted ? "deleted" : text(last.keys);
    const secret = this.secret();
    const data = secret === undefined ? "no Secret" : dataOf(secret);
    const owner = secret?.metadata.ownerReferences?.map(({ uid }) => uid).join() ?? "";
    const reason = object?.status?.conditions?.find(({ type }) => type === "Synced")?.reason;
    const status = object === undefined ? "gone" : `${object.status?.syncStatus} ${reason}`;
    return `${status} | token ${token} | ${data}${owner === "" ? "" : ` of ${owner}`}`;
  }

  /** Every value that is still somewhere: on the token, in its history, in the Secret. */
  copies(): ReadonlySet<string> {
    const values = this.records.filter((record) => !record.deleted).map((record) => text(record.keys));
    const secret = this.secret();
    return new Set(secret === undefined ? values : [...values, dataOf(secret)]);
  }
}

export function keysOf(value: string): readonly SecretKey[] {
  // Two keys that must always be seen together: half of them would be a torn secret.
  return [
    ["a", Buffer.from(value)],
    ["b", Buffer.from(value)],
  ];
}

export function secretDataOf(value: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    keysOf(value).map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]),
  );
}

function text(keys: readonly SecretKey[]): string {
  return keys.map(([, value]) => Buffer.from(value).toString()).join("+");
}

function dataOf(secret: Secret): string {
  return Object.values(secret.data ?? {})
    .map((value) => Buffer.from(value, "base64").toString())
    .join("+");
}
