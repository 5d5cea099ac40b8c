/** The path policy: which paths an HSMSecret of a namespace may name. A pure decision; see docs on tenancy. */

import { isPath, isUnder, namespaceOf } from "./path.ts";

/** One grant of an HSMDevice: HSMSecrets of `namespace` may name `prefix` and all paths below it. */
export interface AllowedPath {
  readonly namespace: string;
  readonly prefix: string;
}

export interface PathUse {
  /** The namespace of the HSMSecret. */
  readonly namespace: string;
  readonly path: string;
  /**
   * The device's own policy. It replaces the default one (a namespace may name `secrets/<namespace>/` and below);
   * an empty list grants nothing.
   */
  readonly allowedPaths?: readonly AllowedPath[] | undefined;
}

/** False for every path that does not parse. An empty prefix in a grant grants nothing: it is a slip, not a wish. */
export function mayUse({ namespace, path, allowedPaths }: PathUse): boolean {
  if (namespace === "" || !isPath(path)) return false;
  if (allowedPaths === undefined) return namespaceOf(path) === namespace;
  return allowedPaths.some(
    (grant) => grant.namespace === namespace && grant.prefix !== "" && isUnder(path, grant.prefix),
  );
}
