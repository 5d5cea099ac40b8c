/** Names that users and other programs see: the group, annotations, labels, the finalizer. */

export const GROUP = "hsm.j5t.io";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}`;

/** Annotations that users set on an HSMSecret. */
export const ANNOTATION_SYNC_NOW = `${GROUP}/sync-now`;
export const ANNOTATION_RESOLVE = `${GROUP}/resolve`;
export const ANNOTATION_ROLLBACK = `${GROUP}/rollback-to`;

/** On an HSMSecret: the value of `sync-now` that was acted upon last. */
export const ANNOTATION_SYNC_DONE = `${GROUP}/sync-now-done`;

/** On a Secret of ours: the path on the token, and the base (JSON) for the day when the status is lost. */
export const ANNOTATION_PATH = `${GROUP}/path`;
export const ANNOTATION_BASE = `${GROUP}/base`;
/** On a Secret of ours that has no owner reference on purpose: the name of its HSMSecret. */
export const ANNOTATION_HELD_FOR = `${GROUP}/held-for`;

export const MANAGED_BY = "hsm-secrets-operator";
/** Both labels, since tools look for either. */
export const MANAGED_LABELS: Readonly<Record<string, string>> = {
  "app.kubernetes.io/managed-by": MANAGED_BY,
  "managed-by": MANAGED_BY,
};

export const FINALIZER = `${GROUP}/sync`;

/** Types of Secrets that mint credentials: filling one from a token, or a token from one, is refused. */
export const REFUSED_SECRET_TYPES: readonly string[] = [
  "kubernetes.io/service-account-token",
  "bootstrap.kubernetes.io/token",
];

/** Labels and annotations under these domains belong to Kubernetes; a template must not set them. */
export function isReservedKey(key: string): boolean {
  return /^(?:[^/]*\.)?(?:kubernetes|k8s)\.io\//.test(key);
}
