/** One request from the first header to the last byte: who, whether, what, and the answer. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { type Authenticator, impersonated } from "../auth/authenticator.ts";
import { authorize, refusal } from "../auth/rbac.ts";
import type { Discovery } from "../catalog/discovery.ts";
import { ApiError, forbidden, internal } from "../status/status.ts";
import type { Core, User } from "../verbs/core.ts";
import { errorMedia } from "./negotiate.ts";
import { type RequestInfo, requestInfo, truthy } from "./path.ts";
import { serveResource } from "./resource.ts";
import { type Exchange, sendObject, sendText, setCommonHeaders } from "./respond.ts";

export interface HandlerOptions {
  readonly core: Core;
  readonly authenticator: Authenticator;
  readonly discovery: Discovery;
  /** Rules are asked for every request; without it, whoever has a token may do all. */
  readonly rbac: boolean;
  /** Told about failures that are nobody's bad request. */
  readonly onError: (error: unknown) => void;
  /** Watches that are open, ended when the server closes. */
  readonly streams: Set<() => void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export function createHandler(options: HandlerOptions): Handler {
  return (request, response) => {
    const target = request.url ?? "/";
    const mark = target.indexOf("?");
    const path = mark < 0 ? target : target.slice(0, mark);
    const query = new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1));
    const exchange: Exchange = {
      request,
      response,
      query,
      pretty: wantsPretty(request, query),
      warnings: [],
    };
    setCommonHeaders(response);
    handle(options, exchange, path).catch((error: unknown) => fail(options, exchange, error));
  };
}

async function handle(options: HandlerOptions, exchange: Exchange, path: string): Promise<void> {
  const { request, query } = exchange;
  const info = requestInfo(request.method ?? "GET", path, query);
  let user = await options.authenticator.authenticate(request.headers);
  user = impersonate(options, info, user, request);
  allow(options, info, user, exchange.response);
  if (request.method === "HEAD") {
    throw new ApiError(405, "MethodNotAllowed", "HEAD is not allowed", {});
  }
  if (info.isResource && (await serveResource(options, exchange, info, user))) return;
  if (await options.discovery.serve(exchange, info)) return;
  if (info.isResource && options.discovery.knowsGroup(info.group)) {
    throw new ApiError(404, "NotFound", "the server could not find the requested resource", {});
  }
  exchange.response.setHeader("X-Content-Type-Options", "nosniff");
  await sendText(exchange, 404, "404 page not found\n", "text/plain; charset=utf-8");
}

/** kubectl and browsers that a person uses get indented JSON only when they ask for it. */
function wantsPretty(request: IncomingMessage, query: URLSearchParams): boolean {
  const asked = query.get("pretty");
  if (asked !== null) return truthy(asked);
  return /^(curl|Wget|Mozilla\/5\.0)/.test(request.headers["user-agent"] ?? "");
}

function allow(options: HandlerOptions, info: RequestInfo, user: User, response: ServerResponse): void {
  const anonymous = user.groups.includes("system:unauthenticated");
  if (!options.rbac && !anonymous) return;
  const decision = authorize(options.core.store, user, info);
  if (decision.allowed) return;
  response.setHeader("X-Content-Type-Options", "nosniff");
  throw denied(info, user, decision.reason);
}

function denied(info: RequestInfo, user: User, reason: string): ApiError {
  const words = refusal(user, info, reason);
  if (!info.isResource) return new ApiError(403, "Forbidden", `forbidden: ${words}`, {});
  const name =
    info.verb === "list" || info.verb === "watch" || info.verb === "deletecollection" ? "" : info.name;
  return forbidden({ group: info.group, plural: info.resource }, name, words);
}

function impersonate(options: HandlerOptions, info: RequestInfo, user: User, request: IncomingMessage): User {
  let wanted: User | undefined;
  try {
    wanted = impersonated(request.headers);
  } catch (error) {
    throw error instanceof ApiError ? new NoSniff(error) : error;
  }
  if (wanted === undefined) return user;
  const asked = {
    ...info,
    isResource: true,
    verb: "impersonate",
    group: "",
    resource: "users",
    subresource: "",
    namespace: "",
  };
  const mayName = authorize(options.core.store, user, { ...asked, name: wanted.name }).allowed;
  const mayGroups = wanted.groups
    .filter((group) => !group.startsWith("system:serviceaccounts") && group !== "system:authenticated")
    .every(
      (group) => authorize(options.core.store, user, { ...asked, resource: "groups", name: group }).allowed,
    );
  if (!mayName || !mayGroups) {
    throw new NoSniff(denied({ ...info, verb: `impersonate-on:user-info:${info.verb}` }, user, ""));
  }
  return wanted;
}

/** An error that is answered with the header against content sniffing, as refusals of the filters are. */
class NoSniff extends Error {
  readonly error: ApiError;
  constructor(error: ApiError) {
    super(error.message);
    this.error = error;
  }
}

async function fail(options: HandlerOptions, exchange: Exchange, cause: unknown): Promise<void> {
  const { request, response } = exchange;
  if (cause instanceof NoSniff) response.setHeader("X-Content-Type-Options", "nosniff");
  const known = cause instanceof NoSniff ? cause.error : cause instanceof ApiError ? cause : undefined;
  const error = known ?? internal("Internal error occurred");
  if (known === undefined) options.onError(cause);
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const retry = error.details?.retryAfterSeconds;
  if (retry !== undefined) response.setHeader("Retry-After", String(retry));
  try {
    await sendObject(exchange, error.code, error.toJson(), errorMedia(request.headers.accept));
  } catch (failure) {
    options.onError(failure);
    response.destroy();
  }
}
