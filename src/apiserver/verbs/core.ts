/** What the verbs share: the store, the resources, the clock, and hooks that other parts hang in. */

import { randomUUID } from "node:crypto";
import type { KubeObject } from "../object.ts";
import { type ResourceDefinition, type RuleContext, storageKey } from "../resources/definition.ts";
import type { Registry } from "../resources/registry.ts";
import type { Entry, Store } from "../storage/store.ts";

/** Who asks. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** A write that is about to be accepted. */
export interface AdmissionAttempt {
  readonly definition: ResourceDefinition;
  readonly operation: "create" | "update";
  readonly subresource: string;
  readonly dryRun: boolean;
  readonly user: User;
  readonly object: KubeObject;
  readonly old: KubeObject | undefined;
  /** Sent to the client beside the answer. */
  readonly warnings: string[];
}

/** Checks before a write is accepted; throws an ApiError to refuse it. */
export type Admission = (attempt: AdmissionAttempt) => void;

/** Issues the tokens of ServiceAccounts. */
export interface TokenIssuer {
  issue(
    account: { readonly namespace: string; readonly name: string; readonly uid: string },
    audiences: readonly string[],
    seconds: number,
    bound: { kind: string; apiVersion: string; name: string; uid: string } | undefined,
  ): Promise<{ readonly token: string; readonly expires: number }>;
}

export interface Core {
  readonly tokens: TokenIssuer;
  readonly store: Store;
  readonly registry: Registry;
  readonly now: () => number;
  /** Asked before the object is validated. */
  readonly admissions: readonly Admission[];
  /** Asked of what is valid. */
  readonly policies: readonly Admission[];
}

/** The second that was written last, and how: a busy server asks thousands of times in one. */
let lastSecond = Number.NaN;
let lastTimestamp = "";

/** RFC 3339 with whole seconds, as metadata times are written. */
export function timestamp(now: number): string {
  const second = Math.floor(now / 1000);
  if (second !== lastSecond) {
    lastTimestamp = `${new Date(second * 1000).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastTimestamp;
}

export function newUid(): string {
  return randomUUID();
}

export function ruleContext(core: Core, namespace: string): RuleContext {
  return {
    namespace,
    now: timestamp(core.now()),
    find: (storage, key) => core.store.get(storage, key)?.object,
  };
}

export function find(
  core: Core,
  definition: ResourceDefinition,
  namespace: string,
  name: string,
): Entry | undefined {
  return core.store.get(definition.storage, storageKey(definition, namespace, name));
}

/** The object in the version in which this resource serves it. */
export function served(definition: ResourceDefinition, object: KubeObject): KubeObject {
  return definition.convert === undefined ? object : definition.convert.fromStored(object);
}
