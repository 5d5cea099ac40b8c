/** Get and list: selectors, pages, and lists of the past. */

import type { KubeObject } from "../object.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { checkFields, type FieldSelector, matchesFields, parseFieldSelector } from "../selectors/fields.ts";
import { type LabelSelector, matchesLabels, parseLabelSelector } from "../selectors/labels.ts";
import {
  type ApiError,
  badRequest,
  type Cause,
  expired,
  forbiddenField,
  internal,
  invalid,
  notFound,
  tooLargeRevision,
  unsupported,
} from "../status/status.ts";
import type { Entry } from "../storage/store.ts";
import { type Core, find } from "./core.ts";

export interface Selection {
  readonly labels: LabelSelector;
  readonly fields: FieldSelector;
}

export function parseSelection(definition: ResourceDefinition, query: URLSearchParams): Selection {
  const labels = parseLabelSelector(query.get("labelSelector") ?? "");
  const fields = parseFieldSelector(query.get("fieldSelector") ?? "");
  checkFields(fields, definition.fields);
  return { labels, fields };
}

export function selects(
  definition: ResourceDefinition,
  { labels, fields }: Selection,
  object: KubeObject,
): boolean {
  if (labels.length > 0 && !matchesLabels(labels, object.metadata.labels)) return false;
  if (fields.length === 0) return true;
  const seen = definition.convert === undefined ? object : definition.convert.fromStored(object);
  return matchesFields(fields, definition.fields, seen);
}

export function get(
  core: Core,
  definition: ResourceDefinition,
  namespace: string,
  name: string,
  query: URLSearchParams,
): Entry {
  const revision = query.get("resourceVersion") ?? "";
  if (revision !== "" && !/^\d+$/.test(revision)) throw internal(badRevision(revision));
  if (Number(revision) > core.store.revision) throw tooLargeRevision(revision, core.store.revision);
  const entry = find(core, definition, namespace, name);
  if (entry === undefined) throw notFound(definition, name);
  return entry;
}

export function badRevision(text: string): string {
  const shown = JSON.stringify(text);
  return `resourceVersion: Invalid value: ${shown}: strconv.ParseUint: parsing ${shown}: invalid syntax`;
}

export interface ListResult {
  readonly entries: readonly Entry[];
  readonly revision: number;
  readonly continueToken: string;
  readonly remaining: number | undefined;
}

export function list(
  core: Core,
  definition: ResourceDefinition,
  namespace: string,
  query: URLSearchParams,
): ListResult {
  const selection = parseSelection(definition, query);
  checkListOptions(query);
  const limit = listLimit(query);
  const token = query.get("continue") ?? "";
  const asked = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const prefix = namespace === "" ? "" : `${namespace}/`;
  const filtered = selection.labels.length > 0 || selection.fields.length > 0;
  if (token !== "") {
    if (asked !== "" && asked !== "0") {
      throw badRequest("specifying resource version is not allowed when using continue");
    }
    const start = readToken(token);
    const revision = start.revision < 0 ? core.store.revision : start.revision;
    const entries = core.store.shelf(definition.storage).at(revision, prefix);
    // resourceVersion=0 with a token: the rest of the list, in one piece.
    const page = asked === "0" ? 0 : limit;
    if (entries === undefined) throw tokenExpired(start.key);
    return paginate(definition, entries, selection, page, prefix + start.key, revision, prefix, filtered);
  }
  if (asked !== "" && !/^\d+$/.test(asked)) {
    throw badRequest(`invalid resource version: ${badRevision(asked)}`);
  }
  const wanted = Number(asked);
  if (wanted > core.store.revision) throw tooLargeRevision(asked, core.store.revision);
  const exact = match === "Exact" || (match === "" && limit > 0 && wanted > 0);
  const revision = exact ? wanted : core.store.revision;
  const entries = core.store.shelf(definition.storage).at(revision, prefix);
  if (entries === undefined) throw expired("The resourceVersion for the provided list is too old.");
  // A list "at least as new as 0" is served from the cache, which knows no pages.
  const page = asked === "0" ? 0 : limit;
  return paginate(definition, entries, selection, page, "", revision, prefix, filtered);
}

function paginate(
  definition: ResourceDefinition,
  entries: readonly Entry[],
  selection: Selection,
  limit: number,
  from: string,
  revision: number,
  prefix: string,
  filtered: boolean,
): ListResult {
  const found: Entry[] = [];
  let last = "";
  for (const [index, entry] of entries.entries()) {
    if (from !== "" && entry.key < from) continue;
    if (!selects(definition, selection, entry.object)) continue;
    if (limit > 0 && found.length === limit) {
      const remaining = filtered ? undefined : entries.length - index;
      return {
        entries: found,
        revision,
        continueToken: writeToken(revision, last.slice(prefix.length)),
        remaining,
      };
    }
    found.push(entry);
    last = entry.key;
  }
  return { entries: found, revision, continueToken: "", remaining: undefined };
}

function listLimit(query: URLSearchParams): number {
  const text = query.get("limit") ?? "";
  if (text === "") return 0;
  if (!/^[+-]?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Math.max(0, Number(text));
}

function checkListOptions(query: URLSearchParams): void {
  const causes: Cause[] = [];
  const match = query.get("resourceVersionMatch") ?? "";
  const revision = query.get("resourceVersion") ?? "";
  const field = "resourceVersionMatch";
  if (match !== "") {
    if (revision === "") {
      causes.push(
        forbiddenField(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
      );
    }
    if ((query.get("continue") ?? "") !== "") {
      causes.push(forbiddenField(field, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if (match !== "Exact" && match !== "NotOlderThan") {
      causes.push(unsupported(field, match, ["Exact", "NotOlderThan", ""]));
    } else if (match === "Exact" && revision === "0") {
      causes.push(forbiddenField(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
    }
  }
  if (query.has("sendInitialEvents")) {
    causes.push(forbiddenField("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  if (causes.length > 0) throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", causes);
}

// A continue token is base64url of {"v":"meta.k8s.io/v1","rv":<revision>,"start":"<key after the namespace>\0"}.

function writeToken(revision: number, lastKey: string): string {
  const text = JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start: `${lastKey}\0` });
  return Buffer.from(text).toString("base64url");
}

function readToken(token: string): { revision: number; key: string } {
  const refuse = (why: string): ApiError =>
    badRequest(`invalid continue token: continue key is not valid: ${why}`);
  let value: unknown;
  const text = Buffer.from(token, "base64url").toString("latin1");
  try {
    value = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  } catch {
    throw refuse(`invalid character '${text.charAt(0)}' looking for beginning of value`);
  }
  const { v, rv, start } = value as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== "meta.k8s.io/v1" || typeof rv !== "number" || typeof start !== "string") {
    throw refuse("server does not recognize this encoded version");
  }
  // A key may come with the slash of its folder in front.
  return { revision: rv, key: start.replace(/^\//, "") };
}

const TOKEN_TOO_OLD =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

function tokenExpired(key: string): ApiError {
  const text = JSON.stringify({ v: "meta.k8s.io/v1", rv: -1, start: key });
  return expired(TOKEN_TOO_OLD, { continue: Buffer.from(text).toString("base64url") });
}
