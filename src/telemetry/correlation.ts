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

const ID_BYTES = 8;
/** Random bytes in store: asking for eight at a time costs more than all the rest of an id. */
let store = Buffer.alloc(0);
let used = 0;

/** 16 hex digits. */
export function newCorrelationId(): string {
  if (used + ID_BYTES > store.length) {
    store = randomBytes(512 * ID_BYTES);
    used = 0;
  }
  used += ID_BYTES;
  return store.toString("hex", used - ID_BYTES, used);
}

/** Runs with this id, also everything that is awaited in it; an unlawful or missing id is replaced by a new one. */
export function withCorrelationId<T>(id: string | undefined, run: () => T): T {
  return storage.run(id !== undefined && LAWFUL.test(id) ? id : newCorrelationId(), run);
}
