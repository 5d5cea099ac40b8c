/** Answers: headers, JSON or YAML, gzip for large bodies. */

import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { stringify } from "yaml";
import type { MediaType } from "./negotiate.ts";

const gzipAsync = promisify(gzip);
const GZIP_FROM_BYTES = 128 * 1024;

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly pretty: boolean;
  readonly warnings: string[];
}

export function setCommonHeaders(response: ServerResponse): void {
  response.setHeader("Audit-Id", randomUUID());
  response.setHeader("Cache-Control", "no-cache, private");
}

export async function sendObject(
  exchange: Exchange,
  code: number,
  value: unknown,
  media: MediaType,
  json?: string,
): Promise<void> {
  const text =
    media === "yaml"
      ? toYaml(value)
      : exchange.pretty
        ? `${JSON.stringify(value, null, 2)}\n`
        : `${json ?? JSON.stringify(value)}\n`;
  await sendText(exchange, code, text, media === "yaml" ? "application/yaml" : "application/json");
}

export async function sendText(exchange: Exchange, code: number, text: string, type: string): Promise<void> {
  const { request, response, warnings } = exchange;
  if (warnings.length > 0) {
    response.setHeader(
      "Warning",
      [...new Set(warnings)].map((warning) => `299 - ${quote(warning)}`),
    );
  }
  response.setHeader("Content-Type", type);
  let body = Buffer.from(text, "utf8");
  if (body.length >= GZIP_FROM_BYTES && /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""))) {
    body = await gzipAsync(body, { level: 1 });
    response.setHeader("Content-Encoding", "gzip");
    response.setHeader("Vary", "Accept-Encoding");
  }
  response.setHeader("Content-Length", body.length);
  response.writeHead(code);
  response.end(request.method === "HEAD" ? undefined : body);
}

export function toYaml(value: unknown): string {
  return stringify(value, {
    sortMapEntries: true,
    version: "1.1",
    indentSeq: false,
    aliasDuplicateObjects: false,
  });
}

/** A quoted-string of RFC 9110 with ASCII only, as header values must be. */
function quote(text: string): string {
  const ascii = text.replace(/[^\x20-\x7e]/g, "?");
  return `"${ascii.replace(/[\\"]/g, "\\$&")}"`;
}
