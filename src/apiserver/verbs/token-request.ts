/** TokenRequest: a signed token for a ServiceAccount. */

import { trackUpdate } from "../apply/field-manager.ts";
import { type BoundObject, ISSUER } from "../auth/service-account-tokens.ts";
import { child, isJsonObject, type JsonObject } from "../object.ts";
import { builtinSchema } from "../openapi/models.ts";
import { ApiError, badRequest, invalid, invalidValue, notFound } from "../status/status.ts";
import { find, timestamp } from "./core.ts";
import type { SubresourceAnswer, SubresourceCall } from "./subresources.ts";

const TOKEN_REQUEST = { group: "authentication.k8s.io", kind: "TokenRequest" };
const DEFAULT_SECONDS = 3600;
const LEAST_SECONDS = 600;
const MOST_SECONDS = 2 ** 32;

export async function requestToken({
  core,
  target,
  body,
  manager,
}: SubresourceCall): Promise<SubresourceAnswer> {
  const account = find(core, target.definition, target.namespace, target.name)?.object;
  if (account === undefined) throw notFound(target.definition, target.name);
  const spec = child(body, "spec");
  const seconds = typeof spec["expirationSeconds"] === "number" ? spec["expirationSeconds"] : DEFAULT_SECONDS;
  const field = "spec.expirationSeconds";
  if (seconds < LEAST_SECONDS) {
    throw invalid(TOKEN_REQUEST, "", [
      invalidValue(field, seconds, "may not specify a duration less than 10 minutes"),
    ]);
  }
  if (seconds > MOST_SECONDS) {
    throw invalid(TOKEN_REQUEST, "", [
      invalidValue(field, seconds, "may not specify a duration larger than 2^32 seconds"),
    ]);
  }
  const asked = Array.isArray(spec["audiences"]) ? spec["audiences"].map(String) : [];
  const audiences = asked.length === 0 ? [ISSUER] : asked;
  const bound = isJsonObject(spec["boundObjectRef"]) ? spec["boundObjectRef"] : undefined;
  const object = bound === undefined ? undefined : boundObject(core.store, target.namespace, bound);
  const { name = "", namespace = "", uid = "" } = account.metadata;
  const signed = await core.tokens.issue({ name, namespace, uid }, audiences, seconds, object);
  return {
    code: 201,
    body: {
      kind: "TokenRequest",
      apiVersion: "authentication.k8s.io/v1",
      metadata: {
        name,
        namespace,
        uid,
        creationTimestamp: timestamp(core.now()),
        managedFields: ownersOf(body, seconds, manager, timestamp(core.now())),
      },
      spec: { audiences, expirationSeconds: seconds, boundObjectRef: bound ?? null },
      status: { token: signed.token, expirationTimestamp: timestamp(signed.expires) },
    },
  };
}

/** A request is an object for a moment: it shows who wrote which of its fields. */
function ownersOf(body: JsonObject, expirationSeconds: number, manager: string, now: string) {
  const schema = builtinSchema(TOKEN_REQUEST.group, "v1", TOKEN_REQUEST.kind);
  if (schema === undefined) return [];
  const apiVersion = `${TOKEN_REQUEST.group}/v1`;
  const spec = { ...child(body, "spec"), expirationSeconds };
  const object = { kind: TOKEN_REQUEST.kind, apiVersion, metadata: {}, spec };
  const scope = { manager, apiVersion, subresource: "token", now, schema, custom: false, resets: ["status"] };
  const owners = trackUpdate(undefined, object, scope);
  // The reference is there, if empty, before anybody writes it.
  for (const { fieldsV1 } of owners) delete child(child(fieldsV1, "f:spec"), "f:boundObjectRef")["."];
  return owners;
}

function boundObject(
  store: { get(storage: string, key: string): { object: { metadata: { uid?: string } } } | undefined },
  namespace: string,
  reference: JsonObject,
): BoundObject {
  const kind = String(reference["kind"] ?? "");
  const apiVersion = String(reference["apiVersion"] ?? "");
  const name = String(reference["name"] ?? "");
  if (apiVersion !== "v1" || (kind !== "Pod" && kind !== "Secret")) {
    throw badRequest(`cannot bind token to object of type /${apiVersion}, Kind=${kind}`);
  }
  const plural = `${kind.toLowerCase()}s`;
  const found = store.get(plural, `${namespace}/${name}`)?.object;
  if (found === undefined) throw notFound({ group: "", plural }, name);
  const uid = String(reference["uid"] ?? "");
  if (uid !== "" && uid !== found.metadata.uid) {
    throw new ApiError(
      409,
      "Conflict",
      `Operation cannot be fulfilled on ${kind} ${JSON.stringify(name)}: the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      { name, kind },
    );
  }
  return { kind, apiVersion, name, uid: found.metadata.uid ?? "" };
}
