/** Life of namespaces: what every namespace has, and how a deleted one is emptied and removed. */

import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import { type Core, newUid, timestamp } from "../verbs/core.ts";
import { remove } from "../verbs/remove.ts";
import { CONTROLLER_MANAGER, updateFields, writtenBy } from "./manager-fields.ts";

const ROOT_CA_DESCRIPTION =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/** Makes the ServiceAccount and the ConfigMap that every live namespace has; both come back when deleted. */
export function furnishNamespace(core: Core, namespace: string, certificate: string): void {
  const found = core.store.get("namespaces", namespace)?.object;
  if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
  const now = timestamp(core.now());
  const configMap = `${namespace}/kube-root-ca.crt`;
  if (core.store.get("configmaps", configMap) === undefined) {
    core.store.put("configmaps", configMap, {
      kind: "ConfigMap",
      apiVersion: "v1",
      metadata: {
        name: "kube-root-ca.crt",
        namespace,
        uid: newUid(),
        creationTimestamp: now,
        annotations: { "kubernetes.io/description": ROOT_CA_DESCRIPTION },
        managedFields: updateFields(CONTROLLER_MANAGER, "v1", now, {
          "f:data": { ".": {}, "f:ca.crt": {} },
          "f:metadata": { "f:annotations": { ".": {}, "f:kubernetes.io/description": {} } },
        }),
      },
      data: { "ca.crt": certificate },
    });
  }
  const account = `${namespace}/default`;
  if (core.store.get("serviceaccounts", account) === undefined) {
    core.store.put("serviceaccounts", account, {
      kind: "ServiceAccount",
      apiVersion: "v1",
      metadata: { name: "default", namespace, uid: newUid(), creationTimestamp: now },
    });
  }
}

/** Deletes what is in the namespace; removes it when nothing is left. Answers whether it is done. */
export function emptyNamespace(core: Core, name: string): boolean {
  const namespace = core.store.get("namespaces", name)?.object;
  if (namespace?.metadata.deletionTimestamp === undefined) return true;
  const remaining: Remaining = { resources: new Map(), finalizers: new Map() };
  const seen = new Set<string>();
  for (const definition of core.registry.all()) {
    if (!definition.namespaced || seen.has(definition.storage)) continue;
    seen.add(definition.storage);
    for (const { object } of [...core.store.shelf(definition.storage).range(`${name}/`)]) {
      const { name: objectName = "", deletionTimestamp } = object.metadata;
      if (deletionTimestamp === undefined) {
        remove(core, definition, name, objectName, {
          dryRun: false,
          gracePeriodSeconds: undefined,
          propagation: "Background",
          uid: undefined,
          resourceVersion: undefined,
        });
      }
    }
    countRemaining(core, definition.storage, name, `${definition.plural}.${definition.group}`, remaining);
  }
  if (remaining.resources.size > 0) {
    setConditions(core, namespace, remaining);
    return false;
  }
  setConditions(core, namespace, remaining);
  const current = core.store.get("namespaces", name)?.object;
  // A finalizer of somebody else, in metadata or spec, still holds it.
  const others = finalizersOf(current).filter((finalizer) => finalizer !== "kubernetes");
  if (others.length > 0 || (current?.metadata.finalizers ?? []).length > 0) return true;
  core.store.delete("namespaces", name);
  return true;
}

interface Remaining {
  readonly resources: Map<string, number>;
  readonly finalizers: Map<string, number>;
}

function countRemaining(
  core: Core,
  storage: string,
  namespace: string,
  label: string,
  remaining: Remaining,
): void {
  let count = 0;
  for (const { object } of core.store.shelf(storage).range(`${namespace}/`)) {
    count += 1;
    for (const finalizer of object.metadata.finalizers ?? []) {
      remaining.finalizers.set(finalizer, (remaining.finalizers.get(finalizer) ?? 0) + 1);
    }
  }
  if (count > 0) remaining.resources.set(label, count);
}

function finalizersOf(namespace: KubeObject | undefined): string[] {
  const list = child(namespace, "spec")["finalizers"];
  return Array.isArray(list) ? list.map(String) : [];
}

function setConditions(core: Core, namespace: KubeObject, remaining: Remaining): void {
  const status = child(namespace, "status");
  const before = Array.isArray(status["conditions"]) ? status["conditions"].filter(isJsonObject) : [];
  const condition = (
    type: string,
    problem: string,
    good: readonly [string, string],
    badReason: string,
  ): JsonObject => {
    const value = problem === "" ? "False" : "True";
    const old = before.find((item) => item["type"] === type);
    return {
      type,
      status: value,
      lastTransitionTime: old?.["status"] === value ? old["lastTransitionTime"] : timestamp(core.now()),
      reason: problem === "" ? good[0] : badReason,
      message: problem === "" ? good[1] : problem,
    };
  };
  const resources = describe(remaining.resources, "has", "resource instances");
  const finalizers = describe(remaining.finalizers, "in", "resource instances");
  const conditions = [
    condition(
      "NamespaceDeletionDiscoveryFailure",
      "",
      ["ResourcesDiscovered", "All resources successfully discovered"],
      "",
    ),
    condition(
      "NamespaceDeletionGroupVersionParsingFailure",
      "",
      ["ParsedGroupVersions", "All legacy kube types successfully parsed"],
      "",
    ),
    condition(
      "NamespaceDeletionContentFailure",
      "",
      ["ContentDeleted", "All content successfully deleted, may be waiting on finalization"],
      "",
    ),
    condition(
      "NamespaceContentRemaining",
      resources === "" ? "" : `Some resources are remaining: ${resources}`,
      ["ContentRemoved", "All content successfully removed"],
      "SomeResourcesRemain",
    ),
    condition(
      "NamespaceFinalizersRemaining",
      finalizers === "" ? "" : `Some content in the namespace has finalizers remaining: ${finalizers}`,
      ["ContentHasNoFinalizers", "All content-preserving finalizers finished"],
      "SomeFinalizersRemain",
    ),
  ];
  if (JSON.stringify(conditions) === JSON.stringify(before)) return;
  const next = { ...namespace, status: { ...status, phase: "Terminating", conditions } };
  const written = writtenBy(core, "namespaces", CONTROLLER_MANAGER, namespace, next, "status");
  core.store.put("namespaces", namespace.metadata.name ?? "", written);
}

function describe(counts: ReadonlyMap<string, number>, verb: string, noun: string): string {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ${verb} ${count} ${noun}`)
    .join(", ");
}
