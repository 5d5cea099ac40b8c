/** Correlation ids: one id from a request or a watch event through every call that it causes. */

import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

const storage = new AsyncLocalStorage<string>();

/** Ids that come from outside are logged: nothing but this is taken over. */
const LAWFUL = /^[A-Za-z0-9._:-]{1,64}$/;

/** HTTP header that carries the id between processes. */
export const CORRELATION_HEADER = "x-request-id";

export function correlationId(): string | undefined {
  return storage.getStore();
}

/** 16 hex digits. */
export function newCorrelationId(): string {
  return randomBytes(8).toString("hex");
}

/** Runs with this id, also everything that is awaited in it; an unlawful or missing id is replaced by a new one. */
export function withCorrelationId<T>(id: string | undefined, run: () => T): T {
  return storage.run(id !== undefined && LAWFUL.test(id) ? id : newCorrelationId(), run);
}
