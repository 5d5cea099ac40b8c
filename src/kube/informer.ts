/** Informer: a reflector and its store, as controllers use them. */

import type { Source } from "./controller.ts";
import type { KubeObject, Resource } from "./object.ts";
import type { AddOptions } from "./queue.ts";
import type { ReadStore, StoreChange } from "./store.ts";

export interface InformerSelection {
  /** Absent: all namespaces. One reflector a namespace, one store. */
  readonly namespaces?: readonly string[] | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly metadataOnly?: boolean | undefined;
}

export interface Informer<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly store: ReadStore<T>;
  /** Keeps the store in agreement with the server until the signal aborts. Never rejects for a server that is away. */
  run(signal: AbortSignal): Promise<void>;
}

export interface KeyWithOptions extends AddOptions {
  readonly key: string;
}

/** A source that maps each change of a store to keys; existing objects count as `added` at the start. */
export function storeSource<T extends KubeObject>(
  store: ReadStore<T>,
  keys: (change: StoreChange<T>) => Iterable<string | KeyWithOptions>,
): Source {
  return {
    start(enqueue) {
      const pass = (change: StoreChange<T>) => {
        for (const item of keys(change)) {
          if (typeof item === "string") enqueue(item);
          else enqueue(item.key, item);
        }
      };
      const stop = store.onChange(pass);
      for (const object of store.list()) pass({ type: "added", object });
      return stop;
    },
  };
}
