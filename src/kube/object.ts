/** Kubernetes objects as they travel: raw JSON, nothing dropped, nothing renamed. */

/** A reference that makes the collector delete the object with its owner. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean | undefined;
  readonly blockOwnerDeletion?: boolean | undefined;
}

export interface ObjectMeta {
  readonly name: string;
  /** Absent on cluster-scoped objects. */
  readonly namespace?: string | undefined;
  readonly uid: string;
  /** Opaque to people; compared as an integer (see `compareVersions`). */
  readonly resourceVersion: string;
  readonly generation?: number | undefined;
  /** RFC 3339, seconds. */
  readonly creationTimestamp?: string | undefined;
  readonly deletionTimestamp?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly finalizers?: readonly string[] | undefined;
  readonly ownerReferences?: readonly OwnerReference[] | undefined;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** What a create or update sends: an object whose server-made fields may be missing. */
export type ObjectToWrite<T extends KubeObject = KubeObject> = {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly metadata: Partial<ObjectMeta> & { readonly generateName?: string | undefined };
} & Partial<Omit<T, keyof KubeObject>>;

/** Where an object is; `namespace` is absent for cluster-scoped kinds. */
export interface ObjectRef {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** A resource of the API. `T` is the type of its objects. */
export interface Resource<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** As in URLs, e.g. `hsmsecrets`. */
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: carries the type of the objects to the compiler. */
  readonly objectType?: T;
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of stores and queues. */
export function keyOf(ref: ObjectRef | KubeObject): string {
  const { namespace, name } = "metadata" in ref ? ref.metadata : ref;
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** The inverse of `keyOf`. */
export function refOf(key: string): ObjectRef {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `group/version`, or `version` for the core group. */
export function apiVersionOf(resource: Pick<Resource, "group" | "version">): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/** Owner reference to an object, as its controller unless told otherwise. */
export function ownerReferenceTo(owner: KubeObject, options: { controller?: boolean } = {}): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  const base = { apiVersion, kind, name: metadata.name, uid: metadata.uid };
  return options.controller === false ? base : { ...base, controller: true, blockOwnerDeletion: true };
}

/**
 * Negative when `a` is older than `b`, positive when newer, 0 when equal, `undefined` when they cannot be compared.
 * Versions are decimal integers of any length on every conformant server (KEP-5504).
 */
export function compareVersions(a: string, b: string): number | undefined {
  if (a === b) return 0;
  if (!/^[1-9][0-9]*$/.test(a) || !/^[1-9][0-9]*$/.test(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}
