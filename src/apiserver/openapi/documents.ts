import { createHash } from "node:crypto";
import type { JsonObject } from "../object.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { Components, TIME, toSwagger } from "./components.ts";
import { resourcePaths } from "./operations.ts";

export interface OpenApiDocument {
  /** JSON text. */
  readonly body: string;
  /** Of the body; clients that name it may keep the document for good. */
  readonly hash: string;
}

/** Paths of the index that have no kinds behind them, e.g. `version`. */
const BARE_PATHS = [".well-known/openid-configuration", "api", "apis", "version"];

/**
 * The OpenAPI documents of what the server serves. Documents are written when they are asked for and kept until the
 * resources of their group and version change.
 */
export class OpenApi {
  readonly #kubernetesVersion: string;
  readonly #documents = new Map<string, OpenApiDocument>();
  #groups: ReadonlyMap<string, readonly ResourceDefinition[]> = new Map();
  #swagger: OpenApiDocument | undefined;

  /** @param kubernetesVersion as the documents name it, e.g. `v1.36.2` */
  constructor(kubernetesVersion: string) {
    this.#kubernetesVersion = kubernetesVersion;
  }

  /** Takes over the resources that are served now. */
  update(resources: Iterable<ResourceDefinition>): void {
    const groups = new Map<string, ResourceDefinition[]>();
    for (const resource of resources) {
      const path = pathOf(resource);
      groups.set(path, [...(groups.get(path) ?? []), resource]);
    }
    for (const path of this.#documents.keys()) {
      if (!sameItems(groups.get(path), this.#groups.get(path))) this.#documents.delete(path);
    }
    this.#groups = groups;
    this.#swagger = undefined;
  }

  /** The body of /openapi/v3: where each document is, with its hash. */
  index(): JsonObject {
    const paths = [...this.#groups.keys()];
    const groups = new Set(paths.filter((path) => path.startsWith("apis/") && !this.#isCustom(path)));
    const bareGroups = [...groups].map((path) => path.slice(0, path.lastIndexOf("/")));
    const all = [...new Set([...BARE_PATHS, ...bareGroups, ...paths])].sort();
    const entries = all.map((path) => [
      path,
      { serverRelativeURL: `/openapi/v3/${path}?hash=${this.document(path)?.hash ?? ""}` },
    ]);
    return { paths: Object.fromEntries(entries) };
  }

  /** A document by its path below /openapi/v3/, e.g. `apis/apps/v1`; undefined when there is none. */
  document(path: string): OpenApiDocument | undefined {
    const known = this.#documents.get(path);
    if (known !== undefined) return known;
    const resources = this.#groups.get(path);
    if (resources === undefined && !this.#isBare(path)) return undefined;
    const document = written(this.#write(resources ?? [], path));
    this.#documents.set(path, document);
    return document;
  }

  /** The body of /openapi/v2 in JSON: definitions of all kinds, no paths. */
  swagger(): OpenApiDocument {
    this.#swagger ??= this.#writeSwagger();
    return this.#swagger;
  }

  #isCustom(path: string): boolean {
    return this.#groups.get(path)?.every((resource) => resource.custom) ?? false;
  }

  #isBare(path: string): boolean {
    const isGroup = [...this.#groups.keys()].some(
      (known) => known.startsWith(`${path}/`) && !this.#isCustom(known),
    );
    return BARE_PATHS.includes(path) || isGroup;
  }

  #write(resources: readonly ResourceDefinition[], path: string): JsonObject {
    const custom = this.#isCustom(path);
    const components = new Components("#/components/schemas/");
    for (const resource of resources) components.addKind(resource);
    // Clients' generators look the type of metadata's times up by name.
    if (resources.length > 0) components.reference(TIME);
    const paths = Object.assign({}, ...resources.map((resource) => resourcePaths(resource, components)));
    return {
      openapi: "3.0.0",
      info: custom
        ? { title: "Kubernetes CRD Swagger", version: "v0.1.0" }
        : { title: "Kubernetes", version: this.#kubernetesVersion },
      paths,
      components: { schemas: components.toJson() },
    };
  }

  #writeSwagger(): OpenApiDocument {
    const components = new Components("#/definitions/");
    for (const resource of [...this.#groups.values()].flat()) components.addKind(resource);
    const definitions = Object.entries(components.toJson()).map(([name, schema]) => [
      name,
      toSwagger(schema),
    ]);
    return written({
      swagger: "2.0",
      info: { title: "Kubernetes", version: this.#kubernetesVersion },
      paths: {},
      definitions: Object.fromEntries(definitions),
    });
  }
}

function pathOf({ group, version }: ResourceDefinition): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

function written(document: JsonObject): OpenApiDocument {
  const body = JSON.stringify(document);
  return { body, hash: createHash("sha512").update(body).digest("hex").toUpperCase() };
}

function sameItems(a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean {
  return (
    a !== undefined && b !== undefined && a.length === b.length && a.every((item, index) => item === b[index])
  );
}
