/** What a request asks for, read from its method and path as Kubernetes reads them. */

import { demandedValue, parseFieldSelector } from "../selectors/fields.ts";

export interface RequestInfo {
  readonly isResource: boolean;
  readonly path: string;
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly name: string;
  readonly subresource: string;
  /** What follows the subresource: such paths are served by nobody here. */
  readonly rest: readonly string[];
}

const VERBS: Record<string, string> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

export function requestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const parts = path
    .split("/")
    .filter((part, index, all) => part !== "" || (index > 0 && index < all.length - 1));
  const verb = VERBS[method] ?? "";
  const none: RequestInfo = {
    isResource: false,
    path,
    verb: method.toLowerCase(),
    group: "",
    version: "",
    namespace: "",
    resource: "",
    name: "",
    subresource: "",
    rest: [],
  };
  let rest: string[];
  let group = "";
  if (parts[0] === "api" && parts.length >= 3) rest = parts.slice(1);
  else if (parts[0] === "apis" && parts.length >= 4) {
    group = parts[1] ?? "";
    rest = parts.slice(2);
  } else return none;

  const version = rest.shift() ?? "";
  let effective = verb;
  if (rest[0] === "watch" && rest.length > 1) {
    rest.shift();
    effective = "watch";
  }
  let namespace = "";
  if (rest[0] === "namespaces" && rest.length > 1) {
    namespace = decode(rest[1] ?? "");
    // /namespaces/a/status is the namespace's own subresource, /namespaces/a/secrets a resource in it.
    if (rest.length > 2 && rest[2] !== "status" && rest[2] !== "finalize") rest = rest.slice(2);
  }
  const resource = decode(rest[0] ?? "");
  let name = decode(rest[1] ?? "");
  const subresource = decode(rest[2] ?? "");
  const wantsWatch = truthy(query.get("watch"));
  if (name === "") {
    if (effective === "get") effective = wantsWatch ? "watch" : "list";
    else if (effective === "delete") effective = "deletecollection";
  }
  if (effective === "list" || effective === "watch" || effective === "deletecollection") {
    // A list of one object by name is allowed to whom a rule grants that name.
    if (name === "") name = nameInSelector(query.get("fieldSelector") ?? "");
  }
  return {
    isResource: true,
    path,
    verb: effective === "" ? method.toLowerCase() : effective,
    group,
    version,
    namespace,
    resource,
    name,
    subresource,
    rest: rest.slice(3),
  };
}

export function truthy(value: string | null): boolean {
  return value !== null && !["false", "0", "f", "F", "FALSE", "False"].includes(value);
}

function nameInSelector(text: string): string {
  try {
    return demandedValue(parseFieldSelector(text), "metadata.name") ?? "";
  } catch {
    return ""; // A bad selector is reported by the handler, after authorization.
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
