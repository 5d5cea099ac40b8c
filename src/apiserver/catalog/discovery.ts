/** Discovery documents, plain and aggregated, and the other paths that are no resources: version, health. */

import { createHash } from "node:crypto";
import { notAcceptable, parseAccept } from "../http/negotiate.ts";
import type { RequestInfo } from "../http/path.ts";
import { type Exchange, sendObject, sendText } from "../http/respond.ts";
import type { JsonObject } from "../object.ts";
import { groupVersion, type ResourceDefinition } from "../resources/definition.ts";
import type { Registry } from "../resources/registry.ts";
import { ApiError, noSuchResource } from "../status/status.ts";
import { checksOf } from "./health.ts";

const AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Serves paths that other parts bring, e.g. OpenAPI documents. */
export type PathServer = (exchange: Exchange, path: string) => Promise<boolean>;

/** What this server behaves like. */
const KUBERNETES_VERSION = "v1.36.2";
/** The version that its OpenAPI documents name. */
export const OPENAPI_VERSION = "1.36";

const VERSION = {
  major: "1",
  minor: "36",
  emulationMajor: "1",
  emulationMinor: "36",
  minCompatibilityMajor: "1",
  minCompatibilityMinor: "35",
  gitVersion: KUBERNETES_VERSION,
  gitCommit: "0000000000000000000000000000000000000000",
  gitTreeState: "clean",
  buildDate: "2026-01-01T00:00:00Z",
  goVersion: "go1.26.11",
  compiler: "gc",
  platform: "linux/amd64",
};

const HEALTH_PATHS = new Set(["healthz", "livez", "readyz"]);

export class Discovery {
  readonly #registry: Registry;
  readonly #more: readonly PathServer[];
  readonly #serverAddress: () => string;

  constructor(registry: Registry, serverAddress: () => string, more: readonly PathServer[]) {
    this.#registry = registry;
    this.#serverAddress = serverAddress;
    this.#more = more;
  }

  /** Built-in groups answer unknown resources with a Status, others with a plain 404. */
  knowsGroup(group: string): boolean {
    return group === "" || this.#registry.all().some((item) => item.group === group && !item.custom);
  }

  async serve(exchange: Exchange, info: RequestInfo): Promise<boolean> {
    const parts = info.path.split("/").filter((part) => part !== "");
    const [first = "", group = "", version = ""] = parts;
    if (first === "version" && parts.length === 1) return this.#json(exchange, VERSION);
    if (HEALTH_PATHS.has(first)) return this.#health(exchange, first, parts.slice(1).join("/"));
    if (parts.length === 0) return this.#json(exchange, { paths: this.#paths() });
    for (const serve of this.#more) if (await serve(exchange, info.path)) return true;
    if (first === "api") {
      if (parts.length === 1) return this.#root(exchange, true);
      if (parts.length === 2) return this.#resources(exchange, "", group);
    }
    if (first === "apis") {
      if (parts.length === 1) return this.#root(exchange, false);
      if (!this.#registry.hasGroup(group)) return false;
      if (parts.length === 2)
        return this.#json(exchange, { kind: "APIGroup", apiVersion: "v1", ...this.#group(group) });
      if (parts.length === 3) return this.#resources(exchange, group, version);
    }
    return false;
  }

  async #json(exchange: Exchange, value: JsonObject): Promise<boolean> {
    const { media } = negotiatePlain(exchange.request.headers.accept);
    await sendObject(exchange, 200, value, media);
    return true;
  }

  async #root(exchange: Exchange, core: boolean): Promise<boolean> {
    const accept = exchange.request.headers.accept;
    exchange.response.setHeader("Vary", "Accept");
    if (wantsAggregated(accept)) {
      const body = this.#aggregated(core);
      const text = JSON.stringify(body);
      const etag = `"${createHash("sha256").update(text).digest("hex").toUpperCase()}"`;
      exchange.response.setHeader("Etag", etag);
      if (exchange.request.headers["if-none-match"] === etag) {
        exchange.response.writeHead(304);
        exchange.response.end();
        return true;
      }
      await sendText(exchange, 200, text, AGGREGATED_TYPE);
      return true;
    }
    exchange.response.removeHeader("Vary");
    if (core) {
      const address = { clientCIDR: "0.0.0.0/0", serverAddress: this.#serverAddress() };
      return this.#json(exchange, {
        kind: "APIVersions",
        versions: ["v1"],
        serverAddressByClientCIDRs: [address],
      });
    }
    const groups = this.#groups().map((group) => this.#group(group));
    return this.#json(exchange, { kind: "APIGroupList", apiVersion: "v1", groups });
  }

  async #resources(exchange: Exchange, group: string, version: string): Promise<boolean> {
    const found = this.#registry.of(group, version);
    if (found.length === 0) {
      if (!this.knowsGroup(group)) return false;
      throw noSuchResource();
    }
    const resources = found.flatMap((definition) => plainEntries(definition));
    if (!found.some((item) => item.custom))
      resources.sort((a, b) => (String(a["name"]) < String(b["name"]) ? -1 : 1));
    return this.#json(exchange, {
      kind: "APIResourceList",
      // The document of the core group has no apiVersion: old clients read it.
      ...(group === "" ? {} : { apiVersion: "v1" }),
      groupVersion: group === "" ? version : `${group}/${version}`,
      resources,
    });
  }

  async #health(exchange: Exchange, endpoint: string, check: string): Promise<boolean> {
    const checks = checksOf(endpoint);
    const { response, query } = exchange;
    if (check !== "") {
      if (!checks.includes(check)) return false;
      await sendText(exchange, 200, "ok", "text/plain; charset=utf-8");
      return true;
    }
    response.setHeader("X-Content-Type-Options", "nosniff");
    const excluded = query.getAll("exclude");
    const lines = checks.map((name) => `[+]${name} ${excluded.includes(name) ? "excluded: ok" : "ok"}\n`);
    const text = query.has("verbose") ? `${lines.join("")}${endpoint} check passed\n` : "ok";
    await sendText(exchange, 200, text, "text/plain; charset=utf-8");
    return true;
  }

  /** Groups besides the core one, in the order of their registration. */
  #groups(): string[] {
    return [...new Set(this.#registry.all().map((item) => item.group))].filter((group) => group !== "");
  }

  #versions(group: string): string[] {
    const names = this.#registry
      .all()
      .filter((item) => item.group === group)
      .map((item) => item.version);
    return [...new Set(names)].sort(compareVersions);
  }

  #group(group: string): JsonObject {
    const versions = this.#versions(group).map((version) => ({
      groupVersion: `${group}/${version}`,
      version,
    }));
    return { name: group, versions, preferredVersion: versions[0] };
  }

  #aggregated(core: boolean): JsonObject {
    const groups = core ? [""] : this.#groups();
    return {
      kind: "APIGroupDiscoveryList",
      apiVersion: "apidiscovery.k8s.io/v2",
      metadata: {},
      items: groups.map((group) => ({
        metadata: group === "" ? {} : { name: group },
        versions: this.#versions(group).map((version) => ({
          version,
          resources: this.#registry.of(group, version).map(aggregatedEntry),
          freshness: "Current",
        })),
      })),
    };
  }

  #paths(): string[] {
    const paths = new Set([
      "/.well-known/openid-configuration",
      "/api",
      "/api/v1",
      "/apis",
      "/healthz",
      "/livez",
      "/metrics",
      "/openapi/v2",
      "/openapi/v3",
      "/openapi/v3/",
      "/readyz",
      "/version",
    ]);
    for (const group of this.#groups()) {
      paths.add(`/apis/${group}`);
      for (const version of this.#versions(group)) paths.add(`/apis/${group}/${version}`);
    }
    return [...paths].sort();
  }
}

function plainEntries(definition: ResourceDefinition): JsonObject[] {
  const main = {
    name: definition.plural,
    singularName: definition.singular,
    namespaced: definition.namespaced,
    kind: definition.kind,
    verbs: definition.verbs,
    ...(definition.shortNames.length === 0 ? {} : { shortNames: definition.shortNames }),
    ...(definition.categories.length === 0 ? {} : { categories: definition.categories }),
    ...(definition.verbs.includes("list") ? { storageVersionHash: storageVersionHash(definition) } : {}),
  };
  const subresources = definition.subresources.map((sub) => ({
    name: `${definition.plural}/${sub.name}`,
    singularName: "",
    namespaced: definition.namespaced,
    ...(sub.bodyGroup === undefined ? {} : { group: sub.bodyGroup, version: sub.bodyVersion }),
    kind: sub.kind,
    verbs: sub.verbs,
  }));
  return [main, ...subresources];
}

function aggregatedEntry(definition: ResourceDefinition): JsonObject {
  // Kinds of their own group are written without it for built-in resources, with it for custom ones.
  const kindOf = (kind: string, group = "", version = "") =>
    definition.custom && group === ""
      ? { group: definition.group, version: definition.version, kind }
      : { group, version, kind };
  const subresources = definition.subresources.map((sub) => ({
    subresource: sub.name,
    responseKind: kindOf(sub.kind, sub.bodyGroup, sub.bodyVersion),
    verbs: sub.verbs,
  }));
  return {
    resource: definition.plural,
    responseKind: kindOf(definition.kind),
    scope: definition.namespaced ? "Namespaced" : "Cluster",
    singularResource: definition.singular,
    verbs: definition.verbs,
    ...(definition.shortNames.length === 0 ? {} : { shortNames: definition.shortNames }),
    ...(definition.categories.length === 0 ? {} : { categories: definition.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  };
}

function storageVersionHash(definition: ResourceDefinition): string {
  const text = `${groupVersion(definition)}/${definition.kind}`;
  return createHash("sha256").update(text).digest().subarray(0, 8).toString("base64");
}

/** v2 before v1 before v1beta1 before v1alpha1 before anything else. */
export function compareVersions(a: string, b: string): number {
  const rank = (name: string): readonly number[] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(name);
    if (match === null) return [-1, 0, 0];
    const stage = match[2] === undefined ? 2 : match[2] === "beta" ? 1 : 0;
    return [stage, Number(match[1]), Number(match[3] ?? 0)];
  };
  const left = rank(a);
  const right = rank(b);
  for (const [index, value] of left.entries()) {
    const difference = (right[index] ?? 0) - value;
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : 1;
}

function wantsAggregated(accept: string | undefined): boolean {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== "application/json" && type !== "*/*") continue;
    const as = parameters.get("as");
    if (as === undefined) return false;
    if (
      as === "APIGroupDiscoveryList" &&
      parameters.get("g") === "apidiscovery.k8s.io" &&
      parameters.get("v") === "v2"
    ) {
      return true;
    }
  }
  return false;
}

function negotiatePlain(accept: string | undefined): { media: "json" | "yaml" } {
  let transform = false;
  for (const { type, parameters } of parseAccept(accept)) {
    if (parameters.has("as")) transform = true;
    else if (type === "application/json" || type === "*/*") return { media: "json" };
    else if (type === "application/yaml") return { media: "yaml" };
  }
  if (transform) {
    throw new ApiError(
      406,
      "NotAcceptable",
      "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    );
  }
  throw notAcceptable();
}
