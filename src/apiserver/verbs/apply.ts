/** Server-side apply: the applier says which fields it wants to own; others keep theirs. */

import { isJsonObject, type JsonObject } from "../object.ts";
import { groupVersion } from "../resources/definition.ts";
import { badRequest, conflict, notFound } from "../status/status.ts";
import { type Core, find, served } from "./core.ts";
import { type Body, decodeObject, parseBody } from "./decode.ts";
import { applied } from "./ownership.ts";
import { create, update, type WriteContext, type WriteTarget, type Written } from "./write.ts";

export function applyConfiguration(
  core: Core,
  target: WriteTarget,
  body: Body,
  context: WriteContext,
): Written {
  const { definition, namespace, name } = target;
  const parsed = parseBody(body.bytes.toString("utf8"), "yaml", definition.kind);
  const configuration = parsed.value;
  const kind = String(configuration["kind"] ?? "");
  const apiVersion = String(configuration["apiVersion"] ?? "");
  if (kind !== definition.kind || apiVersion !== groupVersion(definition)) {
    const shown = apiVersion.includes("/") ? apiVersion : `/${apiVersion}`;
    throw badRequest(`invalid object type: ${shown}, Kind=${kind}`);
  }
  const metadata: JsonObject = isJsonObject(configuration["metadata"]) ? configuration["metadata"] : {};
  if ((metadata["name"] ?? "") === "") {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (metadata["name"] !== name) {
    throw badRequest(
      `the name of the object (${String(metadata["name"])}) does not match the name on the URL (${name})`,
    );
  }
  const entry = find(core, definition, namespace, name);
  if (entry === undefined && target.subresource !== "") throw notFound(definition, name);
  const live = entry === undefined ? undefined : served(definition, entry.object);
  const uid = metadata["uid"];
  if (live === undefined && typeof uid === "string" && uid !== "") {
    throw conflict(
      definition,
      name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    );
  }
  const result = applied(core, target, live, configuration, context);
  const value = { duplicates: [], value: result.object };
  const object = decodeObject(core.registry, definition, value, "Ignore", context.warnings);
  const owned: WriteContext = { ...context, managedFields: result.managedFields };
  if (live === undefined) {
    object.metadata.name = name;
    delete object.metadata.resourceVersion;
    return create(core, target, object, owned);
  }
  return update(core, target, object, owned, "apply");
}
