/** Resources that are questions, not objects: SelfSubjectReview, TokenReview and the access reviews. */

import type { Authenticator } from "../auth/authenticator.ts";
import { authorize, type Question, visitRules } from "../auth/rbac.ts";
import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { groupVersion, type ResourceDefinition } from "../resources/definition.ts";
import { badRequest, type Cause, invalid, invalidValue } from "../status/status.ts";
import { type Core, timestamp, type User } from "./core.ts";
import { track } from "./ownership.ts";
import type { WriteContext } from "./write.ts";

export const REVIEWS: ReadonlySet<string> = new Set(["authentication.k8s.io", "authorization.k8s.io"]);

export async function review(
  core: Core,
  authenticator: Authenticator,
  definition: ResourceDefinition,
  namespace: string,
  body: KubeObject,
  context: WriteContext,
): Promise<JsonObject> {
  const { user } = context;
  const head = { kind: definition.kind, apiVersion: groupVersion(definition) };
  const spec = child(body, "spec");
  if (local(definition)) body.metadata = { ...body.metadata, namespace };
  // Reviews are objects for a moment: they show who wrote them.
  track(core, { definition, namespace, name: "", subresource: "" }, body, undefined, context);
  const { metadata } = body;
  switch (definition.kind) {
    case "SelfSubjectReview":
      return {
        ...head,
        metadata: { creationTimestamp: timestamp(core.now()) },
        status: { userInfo: userInfo(user) },
      };
    case "TokenReview":
      return { ...head, metadata, spec, status: await tokenStatus(authenticator, spec) };
    case "SelfSubjectAccessReview":
      checkAttributes(spec, true);
      return { ...head, metadata, spec, status: accessStatus(core, user, spec) };
    case "SelfSubjectRulesReview": {
      const asked = spec["namespace"];
      if (typeof asked !== "string" || asked === "") throw badRequest("no namespace on request");
      return { ...head, metadata: {}, spec: {}, status: rulesStatus(core, user, asked) };
    }
    default: {
      checkAttributes(spec, false);
      if (local(definition) && child(spec, "resourceAttributes")["namespace"] !== namespace) {
        throw refuse(
          invalidValue(
            "spec.resourceAttributes.namespace",
            child(spec, "resourceAttributes")["namespace"] ?? "",
            "must match metadata.namespace",
          ),
        );
      }
      const groups = Array.isArray(spec["groups"]) ? spec["groups"].map(String) : [];
      const subject: User = { name: String(spec["user"] ?? ""), groups };
      return {
        ...head,
        metadata,
        spec,
        status: accessStatus(core, subject, spec),
      };
    }
  }
}

function local(definition: ResourceDefinition): boolean {
  return definition.kind === "LocalSubjectAccessReview";
}

export function userInfo(user: User): JsonObject {
  return {
    username: user.name,
    ...(user.uid === undefined || user.uid === "" ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra === undefined || Object.keys(user.extra).length === 0 ? {} : { extra: user.extra }),
  };
}

async function tokenStatus(authenticator: Authenticator, spec: JsonObject): Promise<JsonObject> {
  const token = spec["token"];
  if (typeof token !== "string" || token === "") {
    throw badRequest("token is required for TokenReview in authentication");
  }
  const audiences = Array.isArray(spec["audiences"]) ? spec["audiences"].map(String) : [];
  const result = await authenticator.check(token, audiences);
  if (result.user === undefined) return { user: {}, error: result.error };
  return { authenticated: true, user: userInfo(result.user), audiences: result.audiences };
}

function refuse(cause: Cause) {
  return invalid({ group: "authorization.k8s.io", kind: "" }, "", [cause]);
}

function checkAttributes(spec: JsonObject, self: boolean): void {
  const resource = spec["resourceAttributes"];
  const other = spec["nonResourceAttributes"];
  if (isJsonObject(resource) && isJsonObject(other)) {
    const shown = { Path: other["path"], Verb: other["verb"] };
    throw refuse(
      invalidValue(
        "spec.nonResourceAttributes",
        shown,
        "cannot be specified in combination with resourceAttributes",
      ),
    );
  }
  if (!isJsonObject(resource) && !isJsonObject(other)) {
    throw refuse(
      invalidValue(
        "spec.resourceAttributes",
        null,
        "exactly one of nonResourceAttributes or resourceAttributes must be specified",
      ),
    );
  }
  const named = (spec["user"] ?? "") !== "" || (Array.isArray(spec["groups"]) && spec["groups"].length > 0);
  if (!self && !named) {
    throw refuse(invalidValue("spec.user", "", "at least one of user or group must be specified"));
  }
}

function accessStatus(core: Core, user: User, spec: JsonObject): JsonObject {
  const { allowed, reason } = authorize(core.store, user, questionOf(spec));
  return { allowed, ...(reason === "" ? {} : { reason }) };
}

function questionOf(spec: JsonObject): Question {
  const resource = child(spec, "resourceAttributes");
  const other = child(spec, "nonResourceAttributes");
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return {
    isResource: isJsonObject(spec["resourceAttributes"]),
    verb: text(resource["verb"] ?? other["verb"]),
    path: text(other["path"]),
    group: text(resource["group"]),
    resource: text(resource["resource"]),
    subresource: text(resource["subresource"]),
    name: text(resource["name"]),
    namespace: text(resource["namespace"]),
  };
}

function rulesStatus(core: Core, user: User, namespace: string): JsonObject {
  const resourceRules: JsonObject[] = [];
  const nonResourceRules: JsonObject[] = [];
  const everything = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
  if (user.groups.includes("system:masters")) {
    resourceRules.push(everything);
    nonResourceRules.push({ verbs: ["*"], nonResourceURLs: ["*"] });
  }
  visitRules(
    core.store,
    user,
    namespace,
    ({ verbs, apiGroups, resources, resourceNames, nonResourceURLs }) => {
      if ((resources ?? []).length > 0) {
        resourceRules.push({
          verbs,
          apiGroups,
          resources,
          ...(resourceNames === undefined ? {} : { resourceNames }),
        });
      }
      if ((nonResourceURLs ?? []).length > 0) nonResourceRules.push({ verbs, nonResourceURLs });
      return false;
    },
    true,
  );
  return { resourceRules, nonResourceRules, incomplete: false };
}
