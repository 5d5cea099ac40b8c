/** Informer: a store and the reflectors that keep it, as controllers use them. */

import type { KubeClient } from "./client.ts";
import { type Clock, type Random, systemClock } from "./clock.ts";
import type { Source } from "./controller.ts";
import type { KubeObject, Resource } from "./object.ts";
import type { AddOptions } from "./queue.ts";
import { Reflector, type ReflectorEvent } from "./reflector.ts";
import { ObjectStore, type ReadStore, type StoreChange } from "./store.ts";
import type { Indexers } from "./store-index.ts";

export interface InformerOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** Absent: all namespaces. One reflector a namespace, one store. */
  readonly namespaces?: readonly string[] | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly metadataOnly?: boolean | undefined;
  readonly indexes?: Indexers<T> | undefined;
  readonly pageSize?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly onEvent?: ((event: ReflectorEvent, resource: Resource<T>) => void) | undefined;
  readonly onListenerError?: ((error: unknown) => void) | undefined;
}

export interface Informer<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly store: ReadStore<T>;
  /** Keeps the store in agreement with the server until the signal aborts. A server that is away does not end it. */
  run(signal: AbortSignal): Promise<void>;
}

export function createInformer<T extends KubeObject>(options: InformerOptions<T>): Informer<T> {
  const { resource, namespaces, indexes, onListenerError, onEvent } = options;
  const store = new ObjectStore<T>({ scopes: namespaces, indexes, onListenerError });
  const reflectors = (namespaces ?? [undefined]).map(
    (namespace) =>
      new Reflector({
        client: options.client,
        resource,
        store,
        namespace,
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        metadataOnly: options.metadataOnly,
        pageSize: options.pageSize,
        clock: options.clock ?? systemClock,
        random: options.random ?? Math.random,
        onEvent: onEvent === undefined ? undefined : (event) => onEvent(event, resource),
      }),
  );
  return {
    resource,
    store,
    async run(signal) {
      await Promise.all(reflectors.map((reflector) => reflector.run(signal)));
    },
  };
}

export interface KeyWithOptions extends AddOptions {
  readonly key: string;
}

/** A source that maps each change of a store to keys; objects that are there at the start count as `added`. */
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
