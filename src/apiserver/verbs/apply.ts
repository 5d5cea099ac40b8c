/** Server-side apply: the applier says which fields it wants to own; others keep theirs. */

import { isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { groupVersion, type ResourceDefinition } from "../resources/definition.ts";
import { ApiError, badRequest, conflict, internal, notFound } from "../status/status.ts";
import { type Core, find, served } from "./core.ts";
import { type Body, decodeObject, parseBody } from "./decode.ts";
import { applied } from "./ownership.ts";
import { create, update, type WriteContext, type WriteTarget, type Written } from "./write.ts";

/** What fits the schema may still not fit the kind, e.g. text that is no base64: a failure of the server, it says. */
function converted(
  configuration: JsonObject,
  definition: ResourceDefinition,
  decode: () => KubeObject,
): KubeObject {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 400) throw error;
    const metadata = isJsonObject(configuration["metadata"]) ? configuration["metadata"] : {};
    const version = groupVersion(definition);
    const what = `${version.includes("/") ? version : `/${version}`}, Kind=${definition.kind}`;
    const why = error.message.replace(/^.* cannot be handled as a \w+: /, "");
    throw internal(
      `failed to convert new object (${String(metadata["namespace"] ?? "")}/${String(metadata["name"])}; ${what}) to proper version: unable to convert unstructured object to ${what}: error decoding from json: ${why}`,
    );
  }
}

export function applyConfiguration(
  core: Core,
  target: WriteTarget,
  body: Body,
  context: WriteContext,
): Written {
  const { definition, namespace, name } = target;
  const text = body.bytes.toString("utf8");
  const parsed = parseBody(text.trim() === "" ? "{}" : text, "yaml", definition.kind);
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
  if (context.options.fieldValidation === "Warn") context.warnings.push(...(parsed.findings ?? []));
  const result = applied(core, target, live, configuration, context);
  const value = { duplicates: [], value: result.object };
  const object = converted(configuration, definition, () =>
    decodeObject(core.registry, definition, value, "Ignore", context.warnings),
  );
  const owned: WriteContext = { ...context, managedFields: result.managedFields };
  if (live === undefined) {
    object.metadata.name = name;
    delete object.metadata.resourceVersion;
    return create(core, target, object, owned);
  }
  return update(core, target, object, owned, "apply");
}
