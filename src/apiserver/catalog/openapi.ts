/** Serves the OpenAPI documents, version 3 by group and version 2 in one piece. */

import { type Exchange, sendText } from "../http/respond.ts";
import { OpenApi, type OpenApiDocument } from "../openapi/documents.ts";
import type { Registry } from "../resources/registry.ts";
import type { PathServer } from "./discovery.ts";

const A_YEAR_MS = 365 * 24 * 3_600_000;
const ROOT = "/openapi/v3";

export function openApiServer(registry: Registry, kubernetesVersion: string, now: () => number): PathServer {
  const documents = new OpenApi(kubernetesVersion);
  let changed = new Date(now());
  let stale = true;
  registry.onChange(() => {
    stale = true;
    changed = new Date(now());
  });
  return async (exchange, path) => {
    if (path !== "/openapi/v2" && path !== ROOT && !path.startsWith(`${ROOT}/`)) return false;
    if (stale) documents.update(registry.all());
    stale = false;
    exchange.response.setHeader("Last-Modified", changed.toUTCString());
    if (path === "/openapi/v2") {
      exchange.response.setHeader("Vary", "Accept-Encoding, Accept");
      return sendDocument(exchange, documents.swagger());
    }
    const name = path.slice(ROOT.length + 1);
    if (name === "") {
      // Text by its type, JSON by its content, as kube-apiserver sends it.
      await sendText(exchange, 200, JSON.stringify(documents.index()), "text/plain; charset=utf-8");
      return true;
    }
    const document = documents.document(name);
    if (document === undefined) {
      exchange.response.removeHeader("Last-Modified");
      exchange.response.writeHead(404).end();
      return true;
    }
    exchange.response.setHeader("Vary", "Accept");
    const asked = exchange.query.get("hash");
    if (asked !== null && asked !== document.hash) {
      exchange.response.removeHeader("Last-Modified");
      exchange.response.setHeader("Etag", `"${document.hash}"`);
      exchange.response.setHeader("Content-Type", "application/json");
      exchange.response.writeHead(301, { Location: `${path}?hash=${document.hash}` }).end();
      return true;
    }
    if (asked !== null) {
      exchange.response.setHeader("Cache-Control", "public, immutable");
      exchange.response.setHeader("Expires", new Date(now() + A_YEAR_MS).toUTCString());
    }
    return sendDocument(exchange, document);
  };
}

async function sendDocument(exchange: Exchange, document: OpenApiDocument): Promise<boolean> {
  const { request, response } = exchange;
  const etag = `"${document.hash}"`;
  response.setHeader("Etag", etag);
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304).end();
    return true;
  }
  await sendText(exchange, 200, document.body, "application/json");
  return true;
}
