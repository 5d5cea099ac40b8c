/** All resources that are served now: the built-in ones and those of established CustomResourceDefinitions. */

import { groupVersion, type ResourceDefinition } from "./definition.ts";

export class Registry {
  readonly #byPath = new Map<string, ResourceDefinition>();
  readonly #byKind = new Map<string, ResourceDefinition>();
  readonly #listeners = new Set<() => void>();

  constructor(builtin: readonly ResourceDefinition[]) {
    for (const definition of builtin) this.#add(definition);
  }

  find(group: string, version: string, plural: string): ResourceDefinition | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  byKind(apiVersion: string, kind: string): ResourceDefinition | undefined {
    return this.#byKind.get(`${apiVersion} ${kind}`);
  }

  /** A resource whose objects are kept on this shelf, in the form in which they are kept if there is one. */
  stored(storage: string): ResourceDefinition | undefined {
    const found = this.all().filter((item) => item.storage === storage);
    return found.find((item) => item.convert === undefined) ?? found[0];
  }

  all(): ResourceDefinition[] {
    return [...this.#byPath.values()];
  }

  /** Resources of a group and version, in the order of their registration. */
  of(group: string, version: string): ResourceDefinition[] {
    return this.all().filter((item) => item.group === group && item.version === version);
  }

  hasGroup(group: string): boolean {
    return this.all().some((item) => item.group === group);
  }

  /** Replaces all custom resources of a definition (by its storage) by these. */
  replaceCustom(storage: string, definitions: readonly ResourceDefinition[]): void {
    for (const old of this.all()) {
      if (!old.custom || old.storage !== storage) continue;
      this.#byPath.delete(`${old.group}/${old.version}/${old.plural}`);
      this.#byKind.delete(`${groupVersion(old)} ${old.kind}`);
    }
    for (const definition of definitions) this.#add(definition);
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #add(definition: ResourceDefinition): void {
    this.#byPath.set(`${definition.group}/${definition.version}/${definition.plural}`, definition);
    this.#byKind.set(`${groupVersion(definition)} ${definition.kind}`, definition);
  }
}
