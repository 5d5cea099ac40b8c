/** Which requests a fault is for. */

import type { IncomingMessage } from "node:http";
import { type RequestInfo, requestInfo } from "../http/path.ts";

/** A request as faults see it. */
export interface FaultedRequest
  extends Pick<RequestInfo, "verb" | "group" | "resource" | "subresource" | "namespace" | "name" | "path"> {
  readonly query: URLSearchParams;
}

/** What is absent fits every request. */
export interface Match {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`. */
  readonly verb?: string | readonly string[];
  /** The plural, e.g. `secrets`. */
  readonly resource?: string;
  readonly namespace?: string;
  readonly name?: string;
}

export function describeRequest(request: IncomingMessage): FaultedRequest {
  const target = request.url ?? "/";
  const mark = target.indexOf("?");
  const query = new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1));
  const info = requestInfo(request.method ?? "GET", mark < 0 ? target : target.slice(0, mark), query);
  const { verb, group, resource, subresource, namespace, name, path } = info;
  return { verb, group, resource, subresource, namespace, name, path, query };
}

export function matches(match: Match, request: FaultedRequest): boolean {
  const { verb, resource, namespace, name } = match;
  const verbs = typeof verb === "string" ? [verb] : verb;
  return (
    (verbs === undefined || verbs.includes(request.verb)) &&
    (resource === undefined || resource === request.resource) &&
    (namespace === undefined || namespace === request.namespace) &&
    (name === undefined || name === request.name)
  );
}
