import type { JsonObject } from "../object.ts";
import type { ResourceDefinition, SubresourceDefinition } from "../resources/definition.ts";
import { type Components, componentName, DELETE_OPTIONS, PATCH, STATUS } from "./components.ts";
import { PARAMETERS } from "./parameters.ts";

type ParameterName = keyof typeof PARAMETERS;

const LIST: readonly ParameterName[] = [
  "allowWatchBookmarks",
  "continue",
  "fieldSelector",
  "labelSelector",
  "limit",
  "resourceVersion",
  "resourceVersionMatch",
  "sendInitialEvents",
  "shardSelector",
  "timeoutSeconds",
  "watch",
];
const WRITE: readonly ParameterName[] = ["dryRun", "fieldManager", "fieldValidation"];
const DELETE: readonly ParameterName[] = [
  "dryRun",
  "gracePeriodSeconds",
  "ignoreStoreReadErrorWithClusterBreakingPotential",
  "orphanDependents",
  "propagationPolicy",
];

/** The paths of one resource with their operations. */
export function resourcePaths(resource: ResourceDefinition, components: Components): JsonObject {
  return new PathWriter(resource, components).paths();
}

/** Groups of Kubernetes itself go by their first words in operation names. */
function words(group: string): string {
  const short = group === "" ? "core" : group.replace(/\.k8s\.io$/, "");
  return short
    .split(".")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}

class PathWriter {
  readonly #resource: ResourceDefinition;
  readonly #components: Components;
  readonly #stem: string;
  readonly #tag: string;

  constructor(resource: ResourceDefinition, components: Components) {
    this.#resource = resource;
    this.#components = components;
    const group = words(resource.group);
    this.#stem = `${group}${resource.version.charAt(0).toUpperCase()}${resource.version.slice(1)}`;
    this.#tag = `${group.charAt(0).toLowerCase()}${group.slice(1)}_${resource.version}`;
  }

  paths(): JsonObject {
    const { group, version, plural, namespaced, subresources } = this.#resource;
    const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const base = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`;
    const scope: ParameterName[] = namespaced ? ["namespace", "pretty"] : ["pretty"];
    const paths: JsonObject = {};
    if (namespaced && this.#has("list")) {
      paths[`${root}/${plural}`] = {
        get: this.#list(`list${this.#stem}${this.#resource.kind}ForAllNamespaces`, []),
        parameters: parameters([...LIST, "pretty"].sort() as ParameterName[]),
      };
    }
    paths[base] = { ...this.#collection(), parameters: parameters(scope) };
    if (this.#has("get")) {
      paths[`${base}/{name}`] = { ...this.#item(), parameters: this.#named(scope) };
    }
    for (const subresource of subresources) {
      paths[`${base}/{name}/${subresource.name}`] = {
        ...this.#subresource(subresource),
        parameters: this.#named(scope),
      };
    }
    return paths;
  }

  #has(verb: string): boolean {
    return this.#resource.verbs.includes(verb);
  }

  #named(scope: readonly ParameterName[]): JsonObject[] {
    const [name, ...rest] = parameters(["name", ...scope]);
    return [{ ...name, description: `name of the ${this.#resource.kind}` }, ...rest];
  }

  #id(verb: string, suffix = "", middle = ""): string {
    const scope = this.#resource.namespaced ? "Namespaced" : "";
    return `${verb}${this.#stem}${middle}${scope}${this.#resource.kind}${suffix}`;
  }

  #collection(): JsonObject {
    const { kind } = this.#resource;
    const one = componentName(this.#resource);
    return {
      ...(this.#has("list") ? { get: this.#list(this.#id("list"), LIST) } : {}),
      ...(this.#has("create")
        ? {
            post: this.#operation("post", this.#id("create"), `create a ${kind}`, WRITE, {
              ...this.#body(one),
              ...this.#answers(one, ["200", "201", "202"]),
            }),
          }
        : {}),
      ...(this.#has("deletecollection")
        ? {
            delete: this.#operation(
              "deletecollection",
              this.#id("delete", "", "Collection"),
              `delete collection of ${kind}`,
              LIST,
              this.#answers(STATUS, ["200"]),
            ),
          }
        : {}),
    };
  }

  #list(id: string, names: readonly ParameterName[]): JsonObject {
    const { group, version, kind, listKind } = this.#resource;
    const answers = this.#answers(componentName({ group, version, kind: listKind }), ["200"]);
    return this.#operation("list", id, `list objects of kind ${kind}`, names, answers);
  }

  #item(): JsonObject {
    const { kind } = this.#resource;
    const one = componentName(this.#resource);
    const verbs = this.#access(this.#resource.verbs, one, "", kind);
    if (!this.#has("delete")) return verbs;
    return {
      ...verbs,
      delete: this.#operation("delete", this.#id("delete"), `delete a ${kind}`, DELETE, {
        requestBody: { content: this.#content(DELETE_OPTIONS) },
        ...this.#answers(STATUS, ["200", "202"]),
      }),
    };
  }

  #subresource({ name, kind, verbs, bodyGroup, bodyVersion }: SubresourceDefinition): JsonObject {
    const { group, version } = this.#resource;
    const body = componentName({ group: bodyGroup ?? group, version: bodyVersion ?? version, kind });
    const suffix = name.charAt(0).toUpperCase() + name.slice(1);
    const access = this.#access(verbs, body, suffix, `${this.#resource.kind}`, name);
    if (!verbs.includes("create")) return access;
    const post = this.#operation(
      "post",
      this.#id("create", suffix),
      `create ${name} of a ${this.#resource.kind}`,
      WRITE,
      { ...this.#body(body), ...this.#answers(body, ["200", "201", "202"]) },
    );
    return { ...access, post };
  }

  /** get, put and patch, of the object or a part of it. */
  #access(verbs: readonly string[], body: string, suffix: string, kind: string, part?: string): JsonObject {
    const what = part === undefined ? `the specified ${kind}` : `${part} of the specified ${kind}`;
    const operations: JsonObject = {};
    if (verbs.includes("get")) {
      const read = this.#answers(body, ["200"]);
      operations["get"] = this.#operation(
        "get",
        this.#id("read", suffix),
        `read ${what}`,
        ["resourceVersion"],
        read,
      );
    }
    if (verbs.includes("update")) {
      operations["put"] = this.#operation("put", this.#id("replace", suffix), `replace ${what}`, WRITE, {
        ...this.#body(body),
        ...this.#answers(body, ["200", "201"]),
      });
    }
    if (verbs.includes("patch")) {
      const types = ["apply-patch+yaml", "json-patch+json", "merge-patch+json"];
      if (!this.#resource.custom) types.push("strategic-merge-patch+json");
      const content = types.map((type) => [
        `application/${type}`,
        { schema: this.#components.reference(PATCH) },
      ]);
      const id = this.#id("patch", suffix);
      operations["patch"] = this.#operation("patch", id, `partially update ${what}`, [...WRITE, "force"], {
        requestBody: { content: Object.fromEntries(content), required: true },
        ...this.#answers(body, this.#resource.custom ? ["200"] : ["200", "201"]),
      });
    }
    return operations;
  }

  #operation(
    action: string,
    operationId: string,
    description: string,
    names: readonly ParameterName[],
    rest: JsonObject,
  ): JsonObject {
    const { group, version, kind } = this.#resource;
    return {
      tags: [this.#tag],
      description,
      operationId,
      ...(names.length === 0 ? {} : { parameters: parameters(names) }),
      ...rest,
      "x-kubernetes-action": action,
      "x-kubernetes-group-version-kind": { group, version, kind },
    };
  }

  #body(name: string): JsonObject {
    return { requestBody: { content: this.#content(name), required: true } };
  }

  #answers(name: string, codes: readonly string[]): JsonObject {
    const texts: Record<string, string> = { "200": "OK", "201": "Created", "202": "Accepted" };
    const answers = codes.map((code) => [code, { description: texts[code], content: this.#content(name) }]);
    return { responses: { ...Object.fromEntries(answers), "401": { description: "Unauthorized" } } };
  }

  #content(name: string): JsonObject {
    const schema = this.#components.reference(name);
    return { "application/json": { schema }, "application/yaml": { schema } };
  }
}

/** Only patches can be applies, which must name their manager. */
const PATCH_MANAGER =
  " This field is required for apply requests (application/apply-patch) but optional for non-apply patch types (JsonPatch, MergePatch, StrategicMergePatch).";

function parameters(names: readonly ParameterName[]): JsonObject[] {
  const forPatch = names.includes("force");
  return names.map((name) => {
    const parameter = PARAMETERS[name];
    return {
      name,
      in: parameter.in,
      description: parameter.description + (forPatch && name === "fieldManager" ? PATCH_MANAGER : ""),
      ...(parameter.in === "path" ? { required: true } : {}),
      schema: { type: parameter.type, uniqueItems: true },
    };
  });
}
