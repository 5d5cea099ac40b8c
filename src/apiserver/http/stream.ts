/** A watch as a stream of JSON lines, with bookmarks and an end. */

import type { KubeObject } from "../object.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { parseIncludeObject, partialMetadata, table } from "../table/table.ts";
import type { Core } from "../verbs/core.ts";
import { bookmark, parseWatch, startWatch, type WatchSink, type WatchType } from "../verbs/watch.ts";
import { negotiateStream } from "./negotiate.ts";
import type { RequestInfo } from "./path.ts";
import type { Exchange } from "./respond.ts";

const BOOKMARK_INTERVAL_MS = 60_000;
/** Bookmarks come shortly before the end, so that the next watch begins where this one stopped. */
const BOOKMARK_BEFORE_END_MS = 2_000;
/** A client that does not read is cut off before its events fill the memory. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024;

export function serveWatch(
  options: { readonly core: Core; readonly streams: Set<() => void> },
  exchange: Exchange,
  info: RequestInfo,
  definition: ResourceDefinition,
): void {
  const { core, streams } = options;
  const { request, response, query } = exchange;
  const { as, version } = negotiateStream(request.headers.accept);
  if (info.path.includes("/watch/") && info.name !== "" && !query.has("fieldSelector")) {
    query.set("fieldSelector", `metadata.name=${info.name}`);
  }
  const watch = parseWatch(core, definition, query);
  const include = parseIncludeObject(query.get("includeObject"));
  let columnsSent = false;

  const write = (type: WatchType, json: string): void => {
    if (response.destroyed) return;
    response.write(lineOf(type, json));
    if (response.writableLength > MAX_UNSENT_BYTES) response.destroy();
  };
  const shape = (object: KubeObject, json: string): string => {
    if (as === undefined) return json;
    if (as !== "Table") return JSON.stringify(partialMetadata(object, version));
    const columns = columnsSent ? null : definition.table.columns;
    columnsSent = true;
    const metadata = { resourceVersion: object.metadata.resourceVersion ?? "" };
    return JSON.stringify(table(definition.table, [object], metadata, include, core.now(), columns, version));
  };
  const sink: WatchSink = {
    event: (type, object, json) => write(type, shape(object, json)),
    bookmark: (object) => write("BOOKMARK", shape(object, JSON.stringify(object))),
    error: (error) => {
      write("ERROR", JSON.stringify(error.toJson()));
      end();
    },
  };

  const timers: NodeJS.Timeout[] = [];
  let stop = (): void => {};
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    for (const timer of timers) clearTimeout(timer);
    stop();
    streams.delete(end);
    response.end();
  };
  response.setHeader("Content-Type", "application/json");
  response.setHeader("Transfer-Encoding", "chunked");
  response.writeHead(200);
  response.flushHeaders();
  streams.add(end);
  response.on("close", end);
  request.resume();

  const namespace = definition.namespaced ? info.namespace : "";
  stop = startWatch(core, definition, namespace, watch, sink);
  if (ended) {
    stop();
    return;
  }
  const life = watch.timeoutSeconds * 1000;
  timers.push(setTimeout(end, Math.min(life, 2 ** 31 - 1)));
  if (!watch.bookmarks) return;
  const remind = (): void => sink.bookmark(bookmark(core, definition));
  timers.push(setInterval(remind, BOOKMARK_INTERVAL_MS));
  if (life <= 2 * BOOKMARK_BEFORE_END_MS) return;
  for (const early of [BOOKMARK_BEFORE_END_MS, BOOKMARK_BEFORE_END_MS / 2]) {
    timers.push(setTimeout(remind, life - early));
  }
}

let lastType: WatchType | undefined;
let lastJson = "";
let lastLine = Buffer.alloc(0);

/** An event goes to all its watchers one after the other: its bytes are made for the first of them. */
function lineOf(type: WatchType, json: string): Buffer {
  if (type !== lastType || json !== lastJson) {
    lastType = type;
    lastJson = json;
    lastLine = Buffer.from(`{"type":"${type}","object":${json}}\n`);
  }
  return lastLine;
}
