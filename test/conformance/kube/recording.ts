/** The form of the recordings in test/conformance/kubernetes (its README describes it). */

import { readFileSync } from "node:fs";
import { basename } from "node:path";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Json;
  readonly bodyText?: string;
}

export interface RecordedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Json;
  readonly bodyText?: string;
}

export interface KubectlRun {
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Exchange {
  /** `crud 12`: the file's name without its ending, and the line. */
  readonly id: string;
  readonly story: string;
  readonly step: string;
  readonly request?: RecordedRequest;
  readonly response?: RecordedResponse;
  readonly events?: readonly Json[];
  readonly closedBy?: "server" | "client";
  readonly readUntilAfterStep?: string;
  readonly kubectl?: KubectlRun;
  readonly note?: string;
}

export interface Story {
  /** `crud/secret-basic`. */
  readonly id: string;
  readonly exchanges: readonly Exchange[];
}

/** Stories of a recording, in order. Lines left empty are exchanges left out; they count for the numbers. */
export function loadStories(file: string): Story[] {
  const topic = basename(file).replace(/\.ndjson$/, "");
  const stories = new Map<string, Exchange[]>();
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    if (line.trim() === "") continue;
    const exchange = JSON.parse(line, versionTexts) as Omit<Exchange, "id">;
    const id = `${topic}/${exchange.story}`;
    const list = stories.get(id) ?? [];
    list.push({ ...exchange, id: `${topic} ${index + 1}` });
    stories.set(id, list);
  }
  return [...stories].map(([id, exchanges]) => ({ id, exchanges }));
}

/** The texts of /version were set when that server was built: only their presence is compared. */
function versionTexts(key: string, value: unknown): unknown {
  return /^(gitCommit|gitVersion|buildDate|goVersion|platform)$/.test(key) ? "<hash>" : value;
}

/** How much of an answer the recording kept: all; some of an object's fields; some of a list's items as well. */
export type Kept = "all" | "fields" | "items";

export function keptOf(exchange: Exchange, story: Story): Kept {
  const text = `${exchange.step} ${exchange.note ?? ""}`;
  if (/\bcut to\b/.test(text)) return "items";
  if (/\bevents keep\b/.test(text)) return "fields";
  const path = exchange.request?.path ?? "";
  if (/^\/(version|api)\/?$/.test(path) || /^\/apis?\/.*\/$/.test(path)) return "fields";
  return story.exchanges.some(({ note }) => /bodies keep only part/.test(note ?? "")) ? "fields" : "all";
}

/** Namespaces that a story takes for granted: those in its paths that it neither makes nor finds missing. */
export function namespacesOf(story: Story): string[] {
  const named = new Set<string>();
  const notThere = new Set<string>(["default", "kube-system", "kube-public", "kube-node-lease"]);
  for (const { request, response, kubectl } of story.exchanges) {
    if (kubectl !== undefined) {
      const flag = kubectl.args.findIndex((argument) => argument === "-n" || argument === "--namespace");
      const name = flag < 0 ? undefined : kubectl.args[flag + 1];
      if (name !== undefined) named.add(name);
      continue;
    }
    const name = /\/namespaces\/([^/?]+)\//.exec(request?.path ?? "")?.[1];
    if (name !== undefined) named.add(name);
    const answer = JSON.stringify(response?.body ?? "");
    const missing = /namespaces \\"([^"\\]+)\\" not found/.exec(answer)?.[1];
    if (missing !== undefined) notThere.add(missing);
    const made = madeNamespace(request, response);
    if (made !== undefined) notThere.add(made);
  }
  return [...named].filter((name) => !notThere.has(name) && name !== "nowhere");
}

function madeNamespace(request?: RecordedRequest, response?: RecordedResponse): string | undefined {
  if (request?.method !== "POST" || !/^\/api\/v1\/namespaces(\?|$)/.test(request.path)) return undefined;
  if (response?.status !== 201 || /dryRun/.test(request.path)) return undefined;
  const body = request.body;
  if (typeof body !== "object" || body === null || Array.isArray(body)) return undefined;
  const metadata = (body as { readonly [key: string]: Json })["metadata"];
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return undefined;
  const name = (metadata as { readonly [key: string]: Json })["name"];
  return typeof name === "string" ? name : undefined;
}
