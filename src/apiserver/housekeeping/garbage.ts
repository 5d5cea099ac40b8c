/**
 * The garbage collector: removes objects whose owners are gone, carries out the policies Foreground and Orphan.
 *
 * An index from owner uid to dependents is kept by the events of all shelves.
 */

import type { KubeObject, OwnerReference } from "../object.ts";
import { type ResourceDefinition, storageKey } from "../resources/definition.ts";
import type { StoreEvent } from "../storage/store.ts";
import type { Core } from "../verbs/core.ts";
import { remove } from "../verbs/remove.ts";
import { isFinished } from "../verbs/write.ts";
import { CONTROLLER_MANAGER, writtenBy } from "./manager-fields.ts";

interface Place {
  readonly storage: string;
  readonly key: string;
}

export class Garbage {
  readonly #core: Core;
  readonly #dependents = new Map<string, Map<string, Place>>();
  readonly #enqueue: (id: string) => void;

  constructor(core: Core, enqueue: (id: string) => void) {
    this.#core = core;
    this.#enqueue = enqueue;
  }

  /** Takes in objects that were there before the events. */
  load(storage: string, object: KubeObject, key: string): void {
    this.#index(storage, key, object);
    this.#look(storage, key, object);
  }

  onEvent(storage: string, event: StoreEvent): void {
    const { key, object } = event.entry;
    if (event.previous !== undefined) this.#unindex(storage, key, event.previous.object);
    if (event.type === "DELETED") {
      for (const place of this.#dependents.get(object.metadata.uid ?? "")?.values() ?? []) {
        this.#enqueue(idOf(place));
      }
      // Someone may wait in the foreground for this one to go.
      for (const owner of object.metadata.ownerReferences ?? []) this.#enqueueOwner(owner, object);
      return;
    }
    this.#index(storage, key, object);
    this.#look(storage, key, object);
  }

  /** Looks at one object; answers false when it must be looked at again later. */
  work(id: string): boolean {
    const [storage = "", key = ""] = id.split("\0");
    const object = this.#core.store.get(storage, key)?.object;
    if (object === undefined) return true;
    const definition = this.#core.registry.all().find((item) => item.storage === storage);
    if (definition === undefined) return true;
    if (object.metadata.deletionTimestamp !== undefined) return this.#finishDeletion(definition, object);
    return this.#collect(definition, key, object);
  }

  #look(storage: string, key: string, object: KubeObject): void {
    const { ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata;
    const policy = finalizers.some((name) => name === "foregroundDeletion" || name === "orphan");
    if (ownerReferences.length > 0 || (deletionTimestamp !== undefined && policy)) {
      this.#enqueue(idOf({ storage, key }));
    }
  }

  #finishDeletion(definition: ResourceDefinition, object: KubeObject): boolean {
    const finalizers = object.metadata.finalizers ?? [];
    if (finalizers.includes("orphan")) {
      for (const place of this.#placesOf(object)) this.#dropReference(place, object.metadata.uid ?? "");
      this.#dropFinalizer(definition, object, "orphan");
      return true;
    }
    if (!finalizers.includes("foregroundDeletion")) return true;
    const blocking = this.#placesOf(object).filter((place) => {
      const dependent = this.#core.store.get(place.storage, place.key)?.object;
      if (dependent === undefined) return false;
      if (dependent.metadata.deletionTimestamp === undefined) this.#deleteForeground(place, dependent);
      const left = this.#core.store.get(place.storage, place.key)?.object;
      const reference = left?.metadata.ownerReferences?.find((owner) => owner.uid === object.metadata.uid);
      return reference?.blockOwnerDeletion === true;
    });
    if (blocking.length > 0) return false;
    this.#dropFinalizer(definition, object, "foregroundDeletion");
    return true;
  }

  #deleteForeground(place: Place, dependent: KubeObject): void {
    const definition = this.#definition(place.storage);
    if (definition === undefined) return;
    const others = (dependent.metadata.ownerReferences ?? []).filter(
      (owner) => this.#ownerState(owner, dependent) === "solid",
    );
    if (others.length > 0) return;
    const hasDependents = (this.#dependents.get(dependent.metadata.uid ?? "")?.size ?? 0) > 0;
    remove(this.#core, definition, dependent.metadata.namespace ?? "", dependent.metadata.name ?? "", {
      dryRun: false,
      gracePeriodSeconds: undefined,
      propagation: hasDependents ? "Foreground" : "Background",
      uid: dependent.metadata.uid,
      resourceVersion: undefined,
    });
  }

  #collect(definition: ResourceDefinition, key: string, object: KubeObject): boolean {
    const owners = object.metadata.ownerReferences ?? [];
    const states = owners.map((owner) => this.#ownerState(owner, object));
    // An owner of a kind that is not served may come back: keep.
    if (states.includes("unknown")) return true;
    const solid = owners.filter((_, index) => states[index] === "solid");
    const waiting = owners.filter((_, index) => states[index] === "waiting");
    if (solid.length === owners.length) return true;
    if (solid.length > 0) {
      const next = { ...object, metadata: { ...object.metadata, ownerReferences: solid } };
      this.#write(definition.storage, key, object, next);
      return true;
    }
    const finalizers = object.metadata.finalizers ?? [];
    const hasDependents = (this.#dependents.get(object.metadata.uid ?? "")?.size ?? 0) > 0;
    remove(this.#core, definition, object.metadata.namespace ?? "", object.metadata.name ?? "", {
      dryRun: false,
      gracePeriodSeconds: undefined,
      propagation: finalizers.includes("orphan")
        ? "Orphan"
        : waiting.length > 0 && hasDependents
          ? "Foreground"
          : finalizers.includes("foregroundDeletion")
            ? "Foreground"
            : "Background",
      uid: object.metadata.uid,
      resourceVersion: undefined,
    });
    return true;
  }

  #ownerState(owner: OwnerReference, dependent: KubeObject): "solid" | "gone" | "waiting" | "unknown" {
    const definition = this.#core.registry.byKind(owner.apiVersion, owner.kind);
    if (definition === undefined) return "unknown";
    const namespace = dependent.metadata.namespace ?? "";
    // A cluster-scoped object cannot be owned by a namespaced one.
    if (definition.namespaced && namespace === "") return "unknown";
    const found = this.#core.store.get(
      definition.storage,
      storageKey(definition, namespace, owner.name),
    )?.object;
    if (found === undefined || found.metadata.uid !== owner.uid) return "gone";
    const deleting = found.metadata.deletionTimestamp !== undefined;
    return deleting && (found.metadata.finalizers ?? []).includes("foregroundDeletion") ? "waiting" : "solid";
  }

  #enqueueOwner(owner: OwnerReference, dependent: KubeObject): void {
    const definition = this.#core.registry.byKind(owner.apiVersion, owner.kind);
    if (definition === undefined) return;
    const key = storageKey(definition, dependent.metadata.namespace ?? "", owner.name);
    if (this.#core.store.get(definition.storage, key)?.object.metadata.deletionTimestamp === undefined)
      return;
    this.#enqueue(idOf({ storage: definition.storage, key }));
  }

  #dropReference(place: Place, uid: string): void {
    const object = this.#core.store.get(place.storage, place.key)?.object;
    if (object === undefined) return;
    const left = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
    const metadata = { ...object.metadata };
    if (left.length === 0) delete metadata.ownerReferences;
    else metadata.ownerReferences = left;
    this.#write(place.storage, place.key, object, { ...object, metadata });
  }

  #write(storage: string, key: string, old: KubeObject, next: KubeObject): void {
    this.#core.store.put(storage, key, writtenBy(this.#core, storage, CONTROLLER_MANAGER, old, next));
  }

  #dropFinalizer(definition: ResourceDefinition, object: KubeObject, finalizer: string): void {
    const key = storageKey(definition, object.metadata.namespace ?? "", object.metadata.name ?? "");
    const left = (object.metadata.finalizers ?? []).filter((name) => name !== finalizer);
    const metadata = { ...object.metadata };
    if (left.length === 0) delete metadata.finalizers;
    else metadata.finalizers = left;
    const next = { ...object, metadata };
    if (isFinished(next)) this.#core.store.delete(definition.storage, key);
    else this.#core.store.put(definition.storage, key, next);
  }

  #definition(storage: string): ResourceDefinition | undefined {
    return this.#core.registry.all().find((item) => item.storage === storage);
  }

  #placesOf(owner: KubeObject): Place[] {
    return [...(this.#dependents.get(owner.metadata.uid ?? "")?.values() ?? [])];
  }

  #index(storage: string, key: string, object: KubeObject): void {
    for (const owner of object.metadata.ownerReferences ?? []) {
      let places = this.#dependents.get(owner.uid);
      if (places === undefined) {
        places = new Map();
        this.#dependents.set(owner.uid, places);
      }
      places.set(idOf({ storage, key }), { storage, key });
    }
  }

  #unindex(storage: string, key: string, object: KubeObject): void {
    for (const owner of object.metadata.ownerReferences ?? []) {
      const places = this.#dependents.get(owner.uid);
      places?.delete(idOf({ storage, key }));
      if (places?.size === 0) this.#dependents.delete(owner.uid);
    }
  }
}

function idOf({ storage, key }: Place): string {
  return `${storage}\0${key}`;
}
