/** What calls look like on the wire: paths, queries, media types. */

import type { ListOptions, Patch, Selection, WatchOptions } from "./client.ts";
import { apiVersionOf, type ObjectRef, type Resource } from "./object.ts";

/** Path of a resource's collection, or of one object in it. */
export function pathOf(
  resource: Resource,
  at: { readonly namespace?: string | undefined; readonly name?: string | undefined },
  subresource?: string,
): string {
  const root = resource.group === "" ? "/api" : "/apis";
  const parts = [root, apiVersionOf(resource)];
  if (resource.namespaced && at.namespace !== undefined) {
    parts.push("namespaces", encodeURIComponent(at.namespace));
  }
  parts.push(resource.plural);
  if (at.name !== undefined) parts.push(encodeURIComponent(at.name));
  if (subresource !== undefined) parts.push(subresource);
  return parts.join("/");
}

/** Path of one object; a namespaced one without a namespace is a mistake of the caller. */
export function objectPath(resource: Resource, ref: ObjectRef, subresource?: string): string {
  if (resource.namespaced && (ref.namespace === undefined || ref.namespace === "")) {
    throw new TypeError(`${resource.kind} ${ref.name} needs a namespace.`);
  }
  if (ref.name === "") throw new TypeError(`A ${resource.kind} needs a name.`);
  return pathOf(resource, ref, subresource);
}

type QueryValue = string | number | boolean | undefined;

export function withQuery(path: string, values: Readonly<Record<string, QueryValue>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

export function listQuery(options: ListOptions): Record<string, QueryValue> {
  const { labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch } = options;
  const selection = { labelSelector, fieldSelector, limit };
  // With a continue token the version is the first page's; the server refuses both together.
  if (options.continue !== undefined) return { ...selection, continue: options.continue };
  return { ...selection, resourceVersion, resourceVersionMatch };
}

export function watchQuery(options: WatchOptions): Record<string, QueryValue> {
  const { labelSelector, fieldSelector, resourceVersion, timeoutSeconds } = options;
  return {
    watch: 1,
    allowWatchBookmarks: true,
    labelSelector,
    fieldSelector,
    resourceVersion,
    timeoutSeconds,
    ...(options.sendInitialEvents === true
      ? { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }
      : {}),
  };
}

export function patchContent(patch: Patch): { readonly contentType: string; readonly body: unknown } {
  switch (patch.type) {
    case "json":
      return { contentType: "application/json-patch+json", body: patch.operations };
    case "merge":
      return { contentType: "application/merge-patch+json", body: patch.body };
    case "apply":
      // JSON is YAML; servers before 1.34 know no other media type for it.
      return { contentType: "application/apply-patch+yaml", body: patch.body };
  }
}

export function acceptHeader(kind: "one" | "list", selection: Selection): string {
  if (selection.metadataOnly !== true) return "application/json";
  const as = kind === "list" ? "PartialObjectMetadataList" : "PartialObjectMetadata";
  return `application/json;as=${as};g=meta.k8s.io;v=v1`;
}
