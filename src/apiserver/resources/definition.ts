/** What the server knows of a resource: its names, its verbs, its shape and its rules. */

import type { JsonObject, KubeObject } from "../object.ts";
import type { Schema } from "../schema/schema.ts";
import type { SelectableFields } from "../selectors/fields.ts";
import type { Cause } from "../status/status.ts";

export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** Shape of a kind: from parsed JSON to the stored form. Implemented by the schema modules. */
export interface Codec {
  /** The schema itself, where there is one: strategic patches and apply walk it. */
  readonly schema?: Schema;
  /**
   * Takes over a body: drops unknown fields (named in `unknown`, e.g. `spec.bogus`), null where it means absent.
   * Throws an ApiError (400) when a field has the wrong type. `body` is not changed.
   */
  decode(body: JsonObject): { object: KubeObject; unknown: string[] };
  /** Sets the defaults of the schema in place. */
  applyDefaults(object: KubeObject): void;
  /** Violations of the schema; `old` allows what was wrong before, `part` looks at the status only. */
  validate(object: KubeObject, old?: KubeObject, part?: "status"): { causes: Cause[]; warnings: string[] };
}

/** What a rule may ask of the rest of the server. */
export interface RuleContext {
  readonly namespace: string;
  /** RFC 3339, whole seconds. */
  readonly now: string;
  find(storage: string, key: string): KubeObject | undefined;
}

/** Behaviour of a kind beyond its schema. All functions that prepare change their first argument in place. */
export interface KindRules {
  /** Messages for a name that is not allowed; `prefix` when it is a generateName. */
  readonly nameErrors: (name: string, prefix: boolean) => string[];
  /** May an update leave out the resourceVersion? */
  readonly unconditionalUpdate: boolean;
  /** Which change raises metadata.generation: none is counted, a change of the spec, or of all but metadata and status. */
  readonly generation: "none" | "spec" | "all";
  /** A main-resource write leaves status alone, a status write everything else. */
  readonly separateStatus: boolean;
  readonly normalize?: (object: KubeObject) => void;
  /** Fills in what nobody comes to own by it, after the owners are written down. */
  readonly complete?: (object: KubeObject) => void;
  readonly prepareCreate?: (object: KubeObject, context: RuleContext) => void;
  readonly prepareUpdate?: (object: KubeObject, old: KubeObject, context: RuleContext) => void;
  readonly validate?: (object: KubeObject, old: KubeObject | undefined) => Cause[];
  readonly warnings?: (object: KubeObject, old: KubeObject | undefined) => string[];
  /** Fields that are taken over at a write of the status (default: `status`). */
  readonly statusFields?: readonly string[];
  /** A delete that takes effect at once answers the object, not a Status. */
  readonly deletionAnswersObject?: boolean;
  /** Seconds for which a deleted object stays; undefined when the kind is not deleted gracefully. */
  readonly gracePeriod?: (object: KubeObject, asked: number | undefined) => number;
}

export interface SubresourceDefinition {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  /** Group and version of the body where they differ from the resource's own. */
  readonly bodyGroup?: string;
  readonly bodyVersion?: string;
}

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface TableShape {
  readonly columns: readonly Column[];
  readonly cells: (object: KubeObject, now: number) => unknown[];
}

export interface ResourceDefinition {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly SubresourceDefinition[];
  /** Shelf of the store that keeps the objects, and the stem of their keys. */
  readonly storage: string;
  /** From a CustomResourceDefinition. */
  readonly custom: boolean;
  readonly fields: SelectableFields;
  readonly codec: Codec;
  readonly rules: KindRules;
  readonly table: TableShape;
  /** Objects are kept in another version and converted on the way in and out (events). */
  readonly convert?: {
    readonly toStored: (o: KubeObject) => KubeObject;
    readonly fromStored: (o: KubeObject) => KubeObject;
  };
}

export function groupVersion(definition: { group: string; version: string }): string {
  return definition.group === "" ? definition.version : `${definition.group}/${definition.version}`;
}

export function subresource(definition: ResourceDefinition, name: string): SubresourceDefinition | undefined {
  return definition.subresources.find((item) => item.name === name);
}

export function storageKey(definition: ResourceDefinition, namespace: string, name: string): string {
  return definition.namespaced ? `${namespace}/${name}` : name;
}
