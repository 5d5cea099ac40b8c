/** Requests for objects and lists: from the verb to the function that does it, and its answer. */

import type { Authenticator } from "../auth/authenticator.ts";
import { isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { groupVersion, type ResourceDefinition, subresource } from "../resources/definition.ts";
import { ApiError, badRequest, methodNotAllowed, notFound } from "../status/status.ts";
import { parseIncludeObject, partialMetadata, table } from "../table/table.ts";
import { type Core, served, type User } from "../verbs/core.ts";
import { type Body, decodeObject, parseBody, readBodyAs } from "../verbs/decode.ts";
import { deleteOptions, writeOptions } from "../verbs/options.ts";
import { patch, patchKind } from "../verbs/patch.ts";
import { get, list, parseSelection, selects } from "../verbs/read.ts";
import { remove } from "../verbs/remove.ts";
import { REVIEWS, review } from "../verbs/review.ts";
import { SPECIAL_SUBRESOURCES } from "../verbs/subresources.ts";
import { create, update, type WriteContext, type WriteTarget, type Written } from "../verbs/write.ts";
import { readBody } from "./body.ts";
import { negotiate, type Representation, wrongShape } from "./negotiate.ts";
import type { RequestInfo } from "./path.ts";
import { type Exchange, sendObject } from "./respond.ts";
import { serveWatch } from "./stream.ts";

export interface ResourceOptions {
  readonly core: Core;
  readonly authenticator: Authenticator;
  readonly streams: Set<() => void>;
}

interface Call {
  readonly options: ResourceOptions;
  readonly exchange: Exchange;
  readonly info: RequestInfo;
  readonly definition: ResourceDefinition;
  readonly user: User;
}

/** Answers false when no such resource is served. */
export async function serveResource(
  options: ResourceOptions,
  exchange: Exchange,
  info: RequestInfo,
  user: User,
): Promise<boolean> {
  const { registry } = options.core;
  const definition = registry.find(info.group, info.version, info.resource);
  if (definition === undefined || info.rest.length > 0) return false;
  const call: Call = { options, exchange, info, definition, user };
  const name = nameInPath(info);
  if (info.subresource !== "") {
    const sub = subresource(definition, info.subresource);
    if (sub === undefined) {
      // A status path without a status subresource names the object.
      if (definition.custom && info.subresource === "status") throw notFound(definition, info.name);
      return false;
    }
    if (!sub.verbs.includes(info.verb)) throw unsupportedVerb(definition, info);
    await serveSubresource(call);
    return true;
  }
  if (!definition.verbs.includes(info.verb)) throw methodNotAllowed();
  // Objects live in a namespace, and are listed in one or in all of them.
  const everywhere = definition.namespaced && info.namespace === "";
  if (everywhere && info.verb !== "list" && info.verb !== "watch") {
    if (definition.custom) return false;
    throw methodNotAllowed();
  }
  if ((info.verb === "create") === (name !== "") && info.verb === "create") throw methodNotAllowed();
  if ((info.verb === "update" || info.verb === "patch") && name === "") throw methodNotAllowed();
  await VERBS[info.verb]?.(call);
  return true;
}

function unsupportedVerb(definition: ResourceDefinition, info: RequestInfo): ApiError {
  if (!definition.custom) return methodNotAllowed();
  const { group, plural } = definition;
  const why = `${info.verb} is not supported on resources of kind ${JSON.stringify(`${plural}.${group}`)}`;
  return new ApiError(405, "MethodNotAllowed", why, { group, kind: plural });
}

/** The name of a list request comes from its field selector, not from its path. */
function nameInPath(info: RequestInfo): string {
  return info.verb === "list" || info.verb === "deletecollection" ? "" : info.name;
}

function target({ definition, info }: Call): WriteTarget {
  return {
    definition,
    namespace: definition.namespaced ? info.namespace : "",
    name: info.name,
    subresource: info.subresource,
  };
}

const VERBS: Record<string, (call: Call) => Promise<void>> = {
  get: serveGet,
  list: serveList,
  watch: async (call) => serveWatch(call.options, call.exchange, call.info, call.definition),
  create: serveCreate,
  update: serveUpdate,
  patch: servePatch,
  delete: serveDelete,
  deletecollection: serveDeleteCollection,
};

async function serveGet(call: Call): Promise<void> {
  const { core } = call.options;
  const representation = negotiate(call.exchange.request.headers.accept, true);
  const { namespace, name } = target(call);
  const entry = get(core, call.definition, namespace, name, call.exchange.query);
  const unchanged = call.definition.convert === undefined;
  const object = served(call.definition, entry.object);
  await sendOne(call, 200, object, representation, unchanged ? entry.json : undefined);
}

async function sendOne(
  call: Call,
  code: number,
  object: KubeObject | JsonObject,
  representation: Representation,
  json?: string,
): Promise<void> {
  const { exchange, definition, options } = call;
  const { media, as, version } = representation;
  if (as === undefined || !isJsonObject(object["metadata"]) || object["kind"] === "Status") {
    await sendObject(exchange, code, object, media, json);
    return;
  }
  if (as === "PartialObjectMetadataList") throw wrongShape(as, undefined);
  const whole = object as KubeObject;
  if (as === "Table") {
    const include = parseIncludeObject(exchange.query.get("includeObject"));
    const { resourceVersion = "" } = whole.metadata;
    const metadata = resourceVersion === "" ? {} : { resourceVersion };
    const body = table(
      definition.table,
      [whole],
      metadata,
      include,
      options.core.now(),
      definition.table.columns,
      version,
    );
    await sendObject(exchange, code, body, media);
    return;
  }
  await sendObject(exchange, code, partialMetadata(whole, version), media);
}

async function serveList(call: Call): Promise<void> {
  const { exchange, definition, options } = call;
  const { media, as, version } = negotiate(exchange.request.headers.accept, true);
  const result = list(options.core, definition, target(call).namespace, exchange.query);
  const metadata: JsonObject = {
    // Lists of custom resources show an empty token, those of built-in kinds none.
    ...(definition.custom && as === undefined ? { continue: result.continueToken } : {}),
    resourceVersion: String(result.revision),
    ...(result.continueToken === "" ? {} : { continue: result.continueToken }),
    ...(result.remaining === undefined ? {} : { remainingItemCount: result.remaining }),
  };
  const objects = () => result.entries.map((entry) => served(definition, entry.object));
  if (as === "Table") {
    const include = parseIncludeObject(exchange.query.get("includeObject"));
    const body = table(
      definition.table,
      objects(),
      metadata,
      include,
      options.core.now(),
      definition.table.columns,
      version,
    );
    await sendObject(exchange, 200, body, media);
    return;
  }
  const head = { kind: definition.listKind, apiVersion: groupVersion(definition), metadata };
  if (as === "PartialObjectMetadata") throw wrongShape(as, definition.listKind);
  if (as !== undefined) {
    const items = objects().map((object) => partialMetadata(object, version));
    const body = {
      ...head,
      kind: "PartialObjectMetadataList",
      apiVersion: `meta.k8s.io/${version ?? "v1"}`,
      items,
    };
    await sendObject(exchange, 200, body, media);
    return;
  }
  if (media === "json" && !exchange.pretty && definition.convert === undefined) {
    // The items are JSON already: joining them is a tenth of the work.
    const items = result.entries.map((entry) =>
      definition.custom ? entry.json : withoutKind(entry.json, definition),
    );
    const text = JSON.stringify(head);
    await sendObject(exchange, 200, undefined, media, `${text.slice(0, -1)},"items":[${items.join(",")}]}`);
    return;
  }
  const items = objects().map((object) => {
    if (definition.custom) return object;
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
    return rest;
  });
  await sendObject(exchange, 200, { ...head, items }, media);
}

/** Items of built-in lists do not repeat kind and apiVersion, which stand in front of every stored object. */
function withoutKind(json: string, definition: ResourceDefinition): string {
  const head = `{"kind":${JSON.stringify(definition.kind)},"apiVersion":${JSON.stringify(groupVersion(definition))},`;
  return json.startsWith(head) ? `{${json.slice(head.length)}` : json;
}

async function readRequest(call: Call): Promise<Body> {
  const { request } = call.exchange;
  return { bytes: await readBody(request), contentType: request.headers["content-type"] };
}

function userAgent(call: Call): string | undefined {
  return call.exchange.request.headers["user-agent"];
}

async function serveCreate(call: Call): Promise<void> {
  const { exchange, definition, options, user } = call;
  const representation = negotiate(exchange.request.headers.accept, true);
  const settings = writeOptions(exchange.query, "CreateOptions", userAgent(call));
  const body = await readRequest(call);
  const parsed = readBodyAs(body, definition.kind);
  const object = decodeObject(
    options.core.registry,
    definition,
    parsed,
    settings.fieldValidation,
    exchange.warnings,
  );
  if (REVIEWS.has(definition.group)) {
    const { namespace } = target(call);
    const asker: WriteContext = { user, options: settings, warnings: exchange.warnings };
    const answer = await review(options.core, options.authenticator, definition, namespace, object, asker);
    await sendObject(exchange, 201, answer, representation.media);
    return;
  }
  const context: WriteContext = { user, options: settings, warnings: exchange.warnings };
  const written = create(options.core, target(call), object, context);
  await sendWritten(call, written, representation);
}

async function sendWritten(call: Call, written: Written, representation: Representation): Promise<void> {
  const object = served(call.definition, written.object);
  const json = call.definition.convert === undefined ? written.json : undefined;
  await sendOne(call, written.created ? 201 : 200, object, representation, json);
}

async function serveUpdate(call: Call): Promise<void> {
  const { exchange, definition, options, user } = call;
  const representation = negotiate(exchange.request.headers.accept, true);
  const settings = writeOptions(exchange.query, "UpdateOptions", userAgent(call));
  const body = await readRequest(call);
  const parsed = readBodyAs(body, definition.kind);
  const object = decodeObject(
    options.core.registry,
    definition,
    parsed,
    settings.fieldValidation,
    exchange.warnings,
  );
  const context: WriteContext = { user, options: settings, warnings: exchange.warnings };
  await sendWritten(call, update(options.core, target(call), object, context, "put"), representation);
}

async function servePatch(call: Call): Promise<void> {
  const { exchange, definition, options, user } = call;
  const representation = negotiate(exchange.request.headers.accept, true);
  const kind = patchKind(definition, exchange.request.headers["content-type"]);
  const settings = writeOptions(exchange.query, "PatchOptions", userAgent(call), kind === "apply");
  const body = await readRequest(call);
  const context: WriteContext = { user, options: settings, warnings: exchange.warnings };
  await sendWritten(call, patch(options.core, target(call), kind, body, context), representation);
}

async function readDeleteOptions(call: Call) {
  const body = await readRequest(call);
  if (body.bytes.length === 0) return deleteOptions(call.exchange.query, undefined);
  const { value } = readBodyAs(body, "");
  const kind = value["kind"];
  if (kind !== undefined && kind !== "" && kind !== "DeleteOptions") {
    throw badRequest(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(value["apiVersion"] ?? "")} in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"`,
    );
  }
  return deleteOptions(call.exchange.query, value);
}

async function serveDelete(call: Call): Promise<void> {
  const representation = negotiate(call.exchange.request.headers.accept, true);
  const options = await readDeleteOptions(call);
  const { namespace, name } = target(call);
  const { body } = remove(call.options.core, call.definition, namespace, name, options);
  await sendOne(call, 200, body, representation);
}

async function serveDeleteCollection(call: Call): Promise<void> {
  const { exchange, definition, options } = call;
  const { media } = negotiate(exchange.request.headers.accept, true);
  const settings = await readDeleteOptions(call);
  const selection = parseSelection(definition, exchange.query);
  const namespace = target(call).namespace;
  const { core } = options;
  const prefix = namespace === "" ? "" : `${namespace}/`;
  const chosen = [...core.store.shelf(definition.storage).range(prefix)].filter((entry) =>
    selects(definition, selection, entry.object),
  );
  const revision = String(core.store.revision);
  const items = chosen.map((entry) => {
    const { name = "", namespace: home = "" } = entry.object.metadata;
    remove(core, definition, home, name, { ...settings, uid: undefined, resourceVersion: undefined });
    const object = served(definition, entry.object);
    if (definition.custom) return object;
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
    return rest;
  });
  const metadata = {
    ...(definition.custom ? { continue: "" } : {}),
    resourceVersion: revision,
  };
  const body = { kind: definition.listKind, apiVersion: groupVersion(definition), metadata, items };
  await sendObject(exchange, 200, body, media);
}

async function serveSubresource(call: Call): Promise<void> {
  const special = SPECIAL_SUBRESOURCES[call.info.subresource];
  if (special === undefined) {
    await VERBS[call.info.verb]?.(call);
    return;
  }
  const { exchange, options } = call;
  const { media } = negotiate(exchange.request.headers.accept, false);
  const body = await readRequest(call);
  const text = body.bytes.toString("utf8");
  const { verb, subresource: asked } = call.info;
  const sub = subresource(call.definition, asked);
  const kind = sub?.kind ?? "";
  const parsed = verb === "patch" ? parseBody(text || "{}", "json", kind) : undefined;
  const value = text === "" ? {} : (parsed ?? readBodyAs(body, kind)).value;
  const { contentType } = body;
  const kindOfOptions =
    verb === "create" ? "CreateOptions" : verb === "patch" ? "PatchOptions" : "UpdateOptions";
  const manager = writeOptions(exchange.query, kindOfOptions, userAgent(call)).fieldManager;
  const answer = await special({
    core: options.core,
    target: target(call),
    verb,
    body: value,
    contentType,
    manager,
  });
  await sendObject(exchange, answer.code, answer.body, media);
}
