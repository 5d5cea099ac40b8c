/** Life of CustomResourceDefinitions: names accepted or refused, established, served, and emptied when deleted. */

import { child, isJsonObject, type JsonObject, type KubeObject, sameJson } from "../object.ts";
import { customResources, listOf, stringsOf } from "../resources/custom.ts";
import { type Core, timestamp } from "../verbs/core.ts";
import { remove } from "../verbs/remove.ts";
import { API_SERVER, writtenBy } from "./manager-fields.ts";

export const CRDS = "customresourcedefinitions.apiextensions.k8s.io";
export const CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";

/** Serves the definition as its stored state says; called for each event, before any answer to the writer. */
export function serveDefinition(core: Core, name: string): void {
  const crd = core.store.get(CRDS, name)?.object;
  if (crd === undefined || !isEstablished(crd)) {
    core.registry.replaceCustom(name, []);
    return;
  }
  core.registry.replaceCustom(name, customResources(crd));
}

export function isEstablished(crd: KubeObject): boolean {
  return conditionOf(crd, "Established")?.["status"] === "True";
}

/** Brings the status up to the spec; answers false while instances of a deleted definition are left. */
export function reconcileDefinition(core: Core, name: string): boolean {
  const crd = core.store.get(CRDS, name)?.object;
  if (crd === undefined) return true;
  if (crd.metadata.deletionTimestamp !== undefined) return finishDeletion(core, crd);
  const problem = nameConflict(core, crd);
  const accepted = acceptedNames(core, crd);
  const named = withConditions(core, crd, accepted, [
    problem === undefined
      ? condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
      : condition("NamesAccepted", "False", problem.reason, problem.message),
    ...(isEstablished(crd)
      ? []
      : [
          condition(
            "Established",
            "False",
            problem === undefined ? "Installing" : "NotAccepted",
            problem === undefined ? "the initial names have been accepted" : "not all names are accepted",
          ),
        ]),
  ]);
  let current = named;
  if (!sameJson(named["status"], crd["status"])) current = putStatus(core, crd, named);
  if (problem !== undefined || isEstablished(current)) return true;
  const established = withConditions(core, current, child(current, "status")["acceptedNames"], [
    condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
  ]);
  putStatus(core, current, established);
  return true;
}

function putStatus(core: Core, old: KubeObject, next: KubeObject): KubeObject {
  const written = writtenBy(core, CRDS, API_SERVER, old, next, "status");
  return core.store.put(CRDS, old.metadata.name ?? "", written).object;
}

function condition(type: string, status: string, reason: string, message: string): JsonObject {
  return { type, status, reason, message };
}

function conditionOf(crd: KubeObject, type: string): JsonObject | undefined {
  return listOf(child(crd, "status")["conditions"]).find((item) => item["type"] === type);
}

function withConditions(
  core: Core,
  crd: KubeObject,
  acceptedNames: unknown,
  changes: readonly JsonObject[],
): KubeObject {
  const status = child(crd, "status");
  const conditions = listOf(status["conditions"]).map((item) => ({ ...item }));
  for (const change of changes) {
    const index = conditions.findIndex((item) => item["type"] === change["type"]);
    const old = conditions[index];
    const time = old?.["status"] === change["status"] ? old?.["lastTransitionTime"] : timestamp(core.now());
    const { type, status: value, reason, message } = change;
    const next = { type, status: value, lastTransitionTime: time, reason, message };
    if (old === undefined) conditions.push(next);
    else conditions[index] = next;
  }
  return {
    ...crd,
    status: {
      ...status,
      conditions,
      acceptedNames: isJsonObject(acceptedNames) ? acceptedNames : { plural: "", kind: "" },
      storedVersions: storedVersions(crd),
    },
  };
}

function storedVersions(crd: KubeObject): string[] {
  const before = stringsOf(child(crd, "status")["storedVersions"]);
  const storage = listOf(child(crd, "spec")["versions"]).find((version) => version["storage"] === true);
  const name = String(storage?.["name"] ?? "");
  return name === "" || before.includes(name) ? before : [...before, name];
}

interface NameConflict {
  readonly reason: string;
  readonly message: string;
}

/** The names that other definitions of the group hold. */
function takenNames(core: Core, crd: KubeObject): { taken: Set<string>; kinds: Set<string> } {
  const spec = child(crd, "spec");
  const taken = new Set<string>();
  const kinds = new Set<string>();
  for (const { object } of core.store.shelf(CRDS).range("")) {
    if (object.metadata.name === crd.metadata.name || child(object, "spec")["group"] !== spec["group"])
      continue;
    const accepted = child(child(object, "status"), "acceptedNames");
    for (const name of [accepted["plural"], accepted["singular"], ...stringsOf(accepted["shortNames"])]) {
      if (typeof name === "string" && name !== "") taken.add(name);
    }
    for (const kind of [accepted["kind"], accepted["listKind"]]) {
      if (typeof kind === "string" && kind !== "") kinds.add(kind);
    }
  }
  return { taken, kinds };
}

/** The names that nobody else holds; the others stay as they were accepted before. */
function acceptedNames(core: Core, crd: KubeObject): JsonObject {
  const names = child(child(crd, "spec"), "names");
  const before = child(child(crd, "status"), "acceptedNames");
  const { taken, kinds } = takenNames(core, crd);
  const accepted: JsonObject = { plural: "", kind: "", ...before };
  for (const [field, held] of [
    ["plural", taken],
    ["singular", taken],
    ["kind", kinds],
    ["listKind", kinds],
  ] as const) {
    if (names[field] !== undefined && !held.has(String(names[field]))) accepted[field] = names[field];
  }
  const short = stringsOf(names["shortNames"]);
  if (short.length > 0 && !short.some((name) => taken.has(name))) accepted["shortNames"] = short;
  else if (short.length === 0) delete accepted["shortNames"];
  if (names["categories"] === undefined) delete accepted["categories"];
  else accepted["categories"] = names["categories"];
  return accepted;
}

/** Another definition of the group that holds one of the names already; of several the last one is reported. */
function nameConflict(core: Core, crd: KubeObject): NameConflict | undefined {
  const names = child(child(crd, "spec"), "names");
  const { taken, kinds } = takenNames(core, crd);
  const inUse = (name: unknown): string => `${JSON.stringify(name)} is already in use`;
  if (kinds.has(String(names["listKind"])))
    return { reason: "ListKindConflict", message: inUse(names["listKind"]) };
  if (kinds.has(String(names["kind"]))) return { reason: "KindConflict", message: inUse(names["kind"]) };
  const short = stringsOf(names["shortNames"]).filter((name) => taken.has(name));
  if (short.length > 0) return { reason: "ShortNamesConflict", message: short.map(inUse).join(", ") };
  if (taken.has(String(names["singular"])))
    return { reason: "SingularConflict", message: inUse(names["singular"]) };
  if (taken.has(String(names["plural"])))
    return { reason: "PluralConflict", message: inUse(names["plural"]) };
  return undefined;
}

function finishDeletion(core: Core, crd: KubeObject): boolean {
  const name = crd.metadata.name ?? "";
  if (!(crd.metadata.finalizers ?? []).includes(CLEANUP_FINALIZER)) return true;
  const reason = "InstanceDeletionInProgress";
  if (conditionOf(crd, "Terminating")?.["reason"] !== reason) {
    const message = "CustomResource deletion is in progress";
    const names = child(child(crd, "status"), "acceptedNames");
    putStatus(
      core,
      crd,
      withConditions(core, crd, names, [condition("Terminating", "True", reason, message)]),
    );
  }
  const definition = core.registry.all().find((item) => item.custom && item.storage === name);
  for (const { object } of [...core.store.shelf(name).range("")]) {
    if (definition !== undefined && object.metadata.deletionTimestamp === undefined) {
      remove(core, definition, object.metadata.namespace ?? "", object.metadata.name ?? "", {
        dryRun: false,
        gracePeriodSeconds: undefined,
        propagation: undefined,
        uid: object.metadata.uid,
        resourceVersion: undefined,
      });
    }
  }
  if (core.store.shelf(name).size > 0) return false;
  const current = core.store.get(CRDS, name)?.object ?? crd;
  const finalizers = (current.metadata.finalizers ?? []).filter((item) => item !== CLEANUP_FINALIZER);
  if (finalizers.length === 0) {
    core.store.delete(CRDS, name);
    return true;
  }
  const done = condition("Terminating", "False", "InstanceDeletionCompleted", "removed all instances");
  const next = withConditions(core, current, child(child(current, "status"), "acceptedNames"), [done]);
  putStatus(core, current, { ...next, metadata: { ...current.metadata, finalizers } });
  return true;
}
