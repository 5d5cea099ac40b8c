/** One watch: past events, then present ones, seen through the selectors of the request. */

import { truthy } from "../http/path.ts";
import type { KubeObject } from "../object.ts";
import { groupVersion, type ResourceDefinition } from "../resources/definition.ts";
import { type ApiError, type Cause, expired, forbiddenField, internal, invalid } from "../status/status.ts";
import type { Entry, StoreEvent } from "../storage/store.ts";
import type { Core } from "./core.ts";
import { badRevision, parseSelection, type Selection, selects } from "./read.ts";

export type WatchType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";

export interface WatchSink {
  /** `json` is the object as it is stored, for sinks that send it unchanged. */
  event(type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject, json: string): void;
  bookmark(object: KubeObject): void;
  error(error: ApiError): void;
}

export interface WatchRequest {
  readonly selection: Selection;
  readonly since: number | "now" | "initial";
  readonly bookmarks: boolean;
  readonly endOfInitialEvents: boolean;
  readonly timeoutSeconds: number;
}

const LONGEST_WATCH_SECONDS = 60 * 60;

export function parseWatch(core: Core, definition: ResourceDefinition, query: URLSearchParams): WatchRequest {
  const selection = parseSelection(definition, query);
  const causes: Cause[] = [];
  const match = query.get("resourceVersionMatch") ?? "";
  const initial = query.get("sendInitialEvents");
  const field = "resourceVersionMatch";
  if (initial !== null && match !== "NotOlderThan") {
    causes.push(
      forbiddenField(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
    );
  } else if (initial === null && match !== "") {
    causes.push(
      forbiddenField(
        field,
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
      ),
    );
  }
  if (causes.length > 0) throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", causes);
  const text = query.get("resourceVersion") ?? "";
  if (text !== "" && !/^\d+$/.test(text)) throw internal(badRevision(text));
  const bookmarks = truthy(query.get("allowWatchBookmarks"));
  const wantsInitial = initial !== null && truthy(initial);
  let since: WatchRequest["since"];
  if (initial !== null) {
    if (wantsInitial) since = "initial";
    else since = text === "" || text === "0" ? "now" : Number(text);
  } else {
    since = text === "" || text === "0" ? "initial" : Number(text);
  }
  const timeout = Number(query.get("timeoutSeconds") ?? "");
  return {
    selection,
    since,
    bookmarks,
    endOfInitialEvents: wantsInitial && bookmarks,
    // Without a wish, half an hour to an hour, so that the watches of many clients do not end together.
    timeoutSeconds:
      timeout > 0 ? timeout : LONGEST_WATCH_SECONDS / 2 + (core.store.revision % (LONGEST_WATCH_SECONDS / 2)),
  };
}

/** Sends what is due now and subscribes; answers how to stop. */
export function startWatch(
  core: Core,
  definition: ResourceDefinition,
  namespace: string,
  request: WatchRequest,
  sink: WatchSink,
): () => void {
  const prefix = namespace === "" ? "" : `${namespace}/`;
  const { selection } = request;
  const selected = (entry: Entry): boolean => selects(definition, selection, entry.object);
  const send = (type: "ADDED" | "MODIFIED" | "DELETED", entry: Entry): void => {
    if (definition.convert === undefined) sink.event(type, entry.object, entry.json);
    else {
      const object = definition.convert.fromStored(entry.object);
      sink.event(type, object, JSON.stringify(object));
    }
  };
  const plain = selection.labels.length === 0 && selection.fields.length === 0;
  const onEvent = (event: StoreEvent): void => {
    if (prefix !== "" && !event.entry.key.startsWith(prefix)) return;
    if (typeof request.since === "number" && event.revision <= request.since) return;
    if (plain) {
      send(event.type, event.entry);
      return;
    }
    const before = event.previous !== undefined && selected(event.previous);
    const after = event.type !== "DELETED" && selected(event.entry);
    if (after) send(before ? "MODIFIED" : "ADDED", event.entry);
    // What left the selection shows its last selected content, with the revision of the change.
    else if (before) send("DELETED", leaving(event));
  };
  if (request.since === "initial") {
    for (const entry of core.store.shelf(definition.storage).range(prefix)) {
      if (selected(entry)) send("ADDED", entry);
    }
    if (request.endOfInitialEvents) {
      sink.bookmark(bookmark(core, definition, { "k8s.io/initial-events-end": "true" }));
    }
    return core.store.subscribe(definition.storage, onEvent);
  }
  if (request.since === "now" || request.since > core.store.revision) {
    return core.store.subscribe(definition.storage, onEvent);
  }
  const stop = core.store.watch(definition.storage, request.since, onEvent);
  if (stop === undefined) {
    const floor = core.store.shelf(definition.storage).floor;
    sink.error(expired(`too old resource version: ${request.since} (${floor})`));
    return () => {};
  }
  return stop;
}

function leaving(event: StoreEvent): Entry {
  const { previous, revision } = event;
  if (previous === undefined) return event.entry;
  const object: KubeObject = {
    ...previous.object,
    metadata: { ...previous.object.metadata, resourceVersion: String(revision) },
  };
  return { key: previous.key, revision, object, json: JSON.stringify(object) };
}

export function bookmark(
  core: Core,
  definition: ResourceDefinition,
  annotations?: Record<string, string>,
): KubeObject {
  return {
    kind: definition.kind,
    apiVersion: groupVersion(definition),
    metadata: {
      resourceVersion: String(core.store.revision),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
}
