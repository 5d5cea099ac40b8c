/** The KubeClient over HTTP, whatever carries it. */

import { errorOf, errorOfEvent, objectOf, parseJson } from "./answer.ts";
import type { KubeClient, ListOptions, Page, WatchEvent, WatchOptions, WriteOptions } from "./client.ts";
import { type Clock, type Random, systemClock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import { isNotFound, KubeError } from "./error.ts";
import { type Call, Exchange, type SentRequest } from "./exchange.ts";
import { linesOf } from "./json-lines.ts";
import { apiVersionOf, type KubeObject, type ObjectToWrite, type Resource } from "./object.ts";
import {
  acceptHeader,
  listQuery,
  objectPath,
  patchContent,
  pathOf,
  watchQuery,
  withQuery,
} from "./requests.ts";
import type { Transport } from "./transport.ts";

export interface KubeClientOptions {
  /** E.g. `hsm-secrets-operator/0.1.0`. */
  readonly userAgent: string;
  /** Owner of the fields that are written, unless a call names another. */
  readonly fieldManager: string;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Once a request, retries included: for metrics. */
  readonly onRequest?: ((request: SentRequest) => void) | undefined;
  /** A `Warning` header of the server: deprecations, dropped fields. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

const PAGE_SIZE = 500;

/** Closes the transport when it is closed. */
export function createKubeClientOver(
  transport: Transport,
  connection: Connection,
  options: KubeClientOptions,
): KubeClient {
  return new HttpKubeClient(transport, connection, options);
}

class HttpKubeClient implements KubeClient {
  readonly #transport: Transport;
  readonly #exchange: Exchange;
  readonly #fieldManager: string;

  constructor(transport: Transport, connection: Connection, options: KubeClientOptions) {
    this.#transport = transport;
    this.#fieldManager = options.fieldManager;
    this.#exchange = new Exchange(connection, this.#transport, {
      userAgent: options.userAgent,
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      onRequest: options.onRequest,
      onWarning: options.onWarning,
    });
  }

  get: KubeClient["get"] = async (resource, ref, options = {}) => {
    const path = objectPath(resource, ref);
    const value = await this.#exchange.json({
      ...options,
      verb: "get",
      resource: resource.plural,
      method: "GET",
      path,
    });
    return objectOf(value, resource, `get ${path}`);
  };

  find: KubeClient["find"] = async (resource, ref, options) => {
    try {
      return await this.get(resource, ref, options);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<Page<T>> {
    const path = withQuery(pathOf(resource, { namespace: options.namespace }), listQuery(options));
    const accept = acceptHeader("list", options);
    const { signal, timeout } = options;
    const call: Call = {
      verb: "list",
      resource: resource.plural,
      method: "GET",
      path,
      accept,
      signal,
      timeout,
    };
    const value = (await this.#exchange.json(call)) as {
      readonly items?: readonly unknown[] | null;
      readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
    } | null;
    if (value?.metadata?.resourceVersion === undefined) {
      throw new KubeError(`list ${path}: the answer is no list.`, { status: 0, reason: "BadAnswer" });
    }
    const next = value.metadata.continue;
    return {
      items: (value.items ?? []).map((item) => objectOf(item, resource, `list ${path}`)),
      resourceVersion: value.metadata.resourceVersion,
      ...(next === undefined || next === "" ? {} : { continue: next }),
    };
  }

  async listAll<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<Page<T>> {
    const limit = options.limit ?? PAGE_SIZE;
    const items: T[] = [];
    let page = await this.list(resource, { ...options, limit });
    items.push(...page.items);
    while (page.continue !== undefined) {
      page = await this.list(resource, { ...options, limit, continue: page.continue });
      items.push(...page.items);
    }
    return { items, resourceVersion: page.resourceVersion };
  }

  create: KubeClient["create"] = (resource, object, options = {}) => {
    const path = pathOf(resource, { namespace: namespaceFor(resource, object) });
    return this.#write({
      resource,
      verb: "create",
      method: "POST",
      path,
      body: complete(resource, object),
      options,
    });
  };

  update: KubeClient["update"] = (resource, object, options = {}) => {
    const { namespace, name = "" } = object.metadata;
    const path = objectPath(resource, { namespace, name }, options.subresource);
    return this.#write({
      resource,
      verb: "update",
      method: "PUT",
      path,
      body: complete(resource, object),
      options,
    });
  };

  patch: KubeClient["patch"] = (resource, ref, patch, options = {}) => {
    const { contentType, body } = patchContent(patch);
    const path = objectPath(resource, ref, options.subresource);
    const apply = patch.type === "apply";
    const force = apply && patch.force === true ? true : undefined;
    const verb = apply ? "apply" : "patch";
    return this.#write({ resource, verb, method: "PATCH", path, body, contentType, force, options });
  };

  delete: KubeClient["delete"] = async (resource, ref, options = {}) => {
    const { preconditions, propagationPolicy, signal, timeout } = options;
    const path = objectPath(resource, ref);
    const value = await this.#exchange.json({
      verb: "delete",
      resource: resource.plural,
      method: "DELETE",
      path,
      body: { kind: "DeleteOptions", apiVersion: "v1", preconditions, propagationPolicy },
      signal,
      timeout,
    });
    // A Status says that it is gone; the object itself, that it stays until its finalizers are off.
    const gone = (value as { readonly kind?: string } | null)?.kind === "Status";
    return gone ? undefined : objectOf(value, resource, `delete ${path}`);
  };

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    const { signal, namespace, timeoutSeconds } = options;
    const path = withQuery(pathOf(resource, { namespace }), watchQuery(options));
    const idle = options.idleTimeout ?? ((timeoutSeconds ?? 300) + 30) * 1000;
    const what = `watch ${path}`;
    const accept = acceptHeader("one", options);
    const call: Call = { verb: "watch", resource: resource.plural, method: "GET", path, accept };
    // Whoever leaves the loop must end the connection too, or it would stay open for nobody.
    const ended = new AbortController();
    const end = () =>
      ended.abort(new KubeError(`${what}: ended by its reader.`, { status: 0, reason: "Aborted" }));
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    try {
      const answer = await this.#exchange.send(call, ended.signal, (request) =>
        this.#transport.stream(request, idle),
      );
      if (answer.status !== 200) throw await errorOf(answer, what);
      for await (const line of linesOf(answer.pieces)) {
        if (signal.aborted) return;
        yield eventOf(parseJson(line, what), resource, what);
      }
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    } finally {
      signal.removeEventListener("abort", end);
      end();
    }
  }

  raw: KubeClient["raw"] = (request) =>
    this.#exchange.json({ ...request, verb: request.method.toLowerCase(), resource: "raw" });

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #write<T extends KubeObject>(write: {
    readonly resource: Resource<T>;
    readonly verb: string;
    readonly method: Call["method"];
    readonly path: string;
    readonly body: unknown;
    readonly contentType?: string;
    readonly force?: boolean | undefined;
    readonly options: WriteOptions;
  }): Promise<T> {
    const { resource, verb, method, body, contentType, options } = write;
    const { signal, timeout } = options;
    const path = withQuery(write.path, {
      fieldManager: options.fieldManager ?? this.#fieldManager,
      force: write.force,
      dryRun: options.dryRun === true ? "All" : undefined,
    });
    const call: Call = { verb, resource: resource.plural, method, path, body, contentType, signal, timeout };
    return objectOf(await this.#exchange.json(call), resource, `${verb} ${write.path}`);
  }
}

function namespaceFor(resource: Resource, object: ObjectToWrite): string | undefined {
  const { namespace } = object.metadata;
  if (resource.namespaced && (namespace === undefined || namespace === "")) {
    throw new TypeError(`A ${resource.kind} needs a namespace to be created in.`);
  }
  return namespace;
}

function complete(resource: Resource, object: ObjectToWrite): unknown {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}

function eventOf<T extends KubeObject>(value: unknown, resource: Resource<T>, what: string): WatchEvent<T> {
  const { type, object } = (value ?? {}) as { readonly type?: string; readonly object?: unknown };
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: objectOf(object, resource, what) };
    case "BOOKMARK": {
      const metadata = (object as Partial<KubeObject> | undefined)?.metadata;
      if (metadata?.resourceVersion === undefined) break;
      const initialEventsEnd = metadata.annotations?.["k8s.io/initial-events-end"] === "true";
      return { type, resourceVersion: metadata.resourceVersion, initialEventsEnd };
    }
    case "ERROR":
      throw errorOfEvent(object, what);
  }
  throw new KubeError(`${what}: an event of the unknown type ${JSON.stringify(type)}.`, {
    status: 0,
    reason: "BadAnswer",
  });
}
