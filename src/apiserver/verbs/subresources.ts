/** Subresources that are no view of the object itself: token, binding, eviction, finalize, scale, log. */

import { child, copyJson, type JsonObject, type KubeObject } from "../object.ts";
import { storageKey } from "../resources/definition.ts";
import { methodNotAllowed, notFound, success } from "../status/status.ts";
import { type Core, find, timestamp } from "./core.ts";
import { evict } from "./eviction.ts";
import { track } from "./ownership.ts";
import { requestToken } from "./token-request.ts";
import type { WriteTarget } from "./write.ts";

export interface SubresourceAnswer {
  readonly code: number;
  readonly body: JsonObject;
}

export interface SubresourceCall {
  readonly core: Core;
  readonly target: WriteTarget;
  readonly verb: string;
  readonly body: JsonObject;
  readonly contentType: string | undefined;
  /** The field manager of the request. */
  readonly manager: string;
}

export type SpecialSubresource = (call: SubresourceCall) => Promise<SubresourceAnswer>;

async function refuse(): Promise<never> {
  throw methodNotAllowed();
}

export const SPECIAL_SUBRESOURCES: Readonly<Record<string, SpecialSubresource>> = {
  // There is no kubelet behind this server.
  log: refuse,
  attach: refuse,
  exec: refuse,
  portforward: refuse,
  proxy: refuse,
  token: requestToken,
  binding: async (call) => {
    const { object, key } = existing(call);
    const node = String(child(call.body, "target")["name"] ?? "");
    const status = child(object, "status");
    const scheduled = {
      type: "PodScheduled",
      status: "True",
      lastProbeTime: null,
      lastTransitionTime: timestamp(call.core.now()),
    };
    const others = Array.isArray(status["conditions"]) ? status["conditions"] : [];
    call.core.store.put(call.target.definition.storage, key, {
      ...object,
      spec: { ...child(object, "spec"), nodeName: node },
      status: { ...status, conditions: [...others, scheduled] },
    });
    return { code: 201, body: success(undefined, 201) };
  },
  eviction: evict,
  finalize: async (call) => {
    const { object, key } = existing(call);
    const finalizers = child(call.body, "spec")["finalizers"];
    const list = Array.isArray(finalizers) ? finalizers : [];
    const spec = list.length === 0 ? {} : { finalizers: list };
    const stored = call.core.store.put(call.target.definition.storage, key, { ...object, spec });
    return { code: 200, body: stored.object };
  },
  scale,
};

function existing({ core, target }: SubresourceCall): { object: KubeObject; key: string } {
  const entry = find(core, target.definition, target.namespace, target.name);
  if (entry === undefined) throw notFound(target.definition, target.name);
  return { object: entry.object, key: storageKey(target.definition, target.namespace, target.name) };
}

async function scale(call: SubresourceCall): Promise<SubresourceAnswer> {
  const { object, key } = existing(call);
  if (call.verb === "get") return { code: 200, body: scaleOf(object) };
  const wanted = child(call.body, "spec")["replicas"];
  if (typeof wanted !== "number" && call.verb === "patch") return { code: 200, body: scaleOf(object) };
  const replicas = typeof wanted === "number" ? wanted : 0;
  const spec = child(object, "spec");
  if (spec["replicas"] === replicas) return { code: 200, body: scaleOf(object) };
  const next = copyJson(object);
  next["spec"] = { ...spec, replicas };
  next.metadata.generation = (object.metadata.generation ?? 0) + 1;
  track(call.core, { ...call.target, subresource: "scale" }, next, object, {
    user: { name: "", groups: [] },
    options: { dryRun: false, fieldManager: call.manager, fieldValidation: "Ignore", force: false },
    warnings: [],
  });
  const stored = call.core.store.put(call.target.definition.storage, key, next);
  return { code: 200, body: scaleOf(stored.object) };
}

function scaleOf(object: KubeObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const spec = child(object, "spec");
  const replicas = spec["replicas"];
  const selector = Object.entries(child(child(spec, "selector"), "matchLabels"))
    .map(([label, value]) => `${label}=${String(value)}`)
    .join(",");
  const current = child(object, "status")["replicas"];
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: typeof replicas === "number" && replicas !== 0 ? { replicas } : {},
    status: { replicas: typeof current === "number" ? current : 0, ...(selector === "" ? {} : { selector }) },
  };
}
