/**
 * KubeClient: the Kubernetes API as this project uses it.
 *
 * Every call rejects with a KubeError. A 429, and a 503 with Retry-After, are tried again after the time that the
 * server asked for, and a read over a connection that broke is sent once more. Nothing else is repeated here, since
 * only the caller knows whether a write may be.
 */

import type { KubeObject, ObjectRef, ObjectToWrite, Resource } from "./object.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call, 30,000 unless told; not for watches. */
  readonly timeout?: number | undefined;
}

export interface Selection {
  /** Absent: all namespaces, or a cluster-scoped resource. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Ask for PartialObjectMetadata: no data, no spec, no status. */
  readonly metadataOnly?: boolean | undefined;
}

export interface ListOptions extends CallOptions, Selection {
  /** Objects a page; the server may give fewer. */
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan" | undefined;
}

export interface Page<T> {
  /** Each with apiVersion and kind, which lists leave out. */
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Of the next page; absent on the last. */
  readonly continue?: string | undefined;
}

export interface WriteOptions extends CallOptions {
  readonly subresource?: "status" | undefined;
  /** Who owns the fields; the client's own name unless told. */
  readonly fieldManager?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export type Patch =
  /** RFC 6902. */
  | { readonly type: "json"; readonly operations: readonly JsonPatchOperation[] }
  /** RFC 7386: null removes. `metadata.uid` and `metadata.resourceVersion` in it are preconditions. */
  | { readonly type: "merge"; readonly body: unknown }
  /** Server-side apply; `force` takes fields from other managers. */
  | { readonly type: "apply"; readonly body: unknown; readonly force?: boolean | undefined };

export type JsonPatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly from: string; readonly path: string };

export interface DeleteOptions extends CallOptions {
  /** The object that was seen; another one there is a 409 and stays. */
  readonly preconditions?:
    | { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined }
    | undefined;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan" | undefined;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion?: string | undefined;
  /** Seconds after which the server ends the watch. */
  readonly timeoutSeconds?: number | undefined;
  /** Streaming list (resourceVersionMatch NotOlderThan): the objects first, then a bookmark that says so. */
  readonly sendInitialEvents?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which the connection counts as dead: `Unreachable`. */
  readonly idleTimeout?: number | undefined;
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string; readonly initialEventsEnd: boolean };

export interface RawRequest extends CallOptions {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With the query, e.g. `/version`. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string | undefined;
}

export interface KubeClient {
  /** Rejects with `NotFound` where the object is missing. */
  get<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, options?: CallOptions): Promise<T>;
  /** Like get, but a missing object is `undefined`. Any other failure still rejects, an unknown resource too. */
  find<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options?: CallOptions,
  ): Promise<T | undefined>;
  /** One page. */
  list<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<Page<T>>;
  /** All pages, `limit` objects each (500 unless told). Rejects with `Expired` when a page's token is too old. */
  listAll<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<Page<T>>;
  /** In the namespace of `object.metadata`. apiVersion and kind are filled in. */
  create<T extends KubeObject>(
    resource: Resource<T>,
    object: ObjectToWrite<NoInfer<T>>,
    options?: WriteOptions,
  ): Promise<T>;
  /** PUT. With `metadata.resourceVersion`: only over that version, else `Conflict`. */
  update<T extends KubeObject>(
    resource: Resource<T>,
    object: ObjectToWrite<NoInfer<T>>,
    options?: WriteOptions,
  ): Promise<T>;
  patch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    patch: Patch,
    options?: WriteOptions,
  ): Promise<T>;
  /** The object when it stays for its finalizers, `undefined` when it is gone. A missing one rejects: `NotFound`. */
  delete<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    options?: DeleteOptions,
  ): Promise<T | undefined>;
  /**
   * Ends without an error when the server ends it, or the signal aborts; an ERROR event rejects as a KubeError
   * (410: `Expired`).
   */
  watch<T extends KubeObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** For what has no object: /version, /readyz, tokens. */
  raw(request: RawRequest): Promise<unknown>;
  close(): Promise<void>;
}
