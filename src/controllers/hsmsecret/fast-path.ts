/** Whether caches alone say that there is nothing to do. A doubt means no: then everything is read live. */

import {
  ANNOTATION_RESOLVE,
  ANNOTATION_ROLLBACK,
  ANNOTATION_SYNC_DONE,
  ANNOTATION_SYNC_NOW,
  FINALIZER,
} from "../../crd/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Checksums } from "./facts.ts";
import type { Subject } from "./observe.ts";

export function isSettled(
  subject: Subject,
  secret: KubeObject | undefined,
  rivals: { readonly path?: string | undefined; readonly secret?: string | undefined },
  checksums: Checksums,
): boolean {
  const { object, spec, status } = subject;
  const { metadata } = object;
  const { base } = status;
  const annotations = metadata.annotations ?? {};
  const asked =
    annotations[ANNOTATION_RESOLVE] !== undefined ||
    annotations[ANNOTATION_ROLLBACK] !== undefined ||
    annotations[ANNOTATION_SYNC_NOW] !== annotations[ANNOTATION_SYNC_DONE];
  const finalizer = metadata.finalizers?.includes(FINALIZER) === true;
  return (
    status.syncStatus === "InSync" &&
    status.observedGeneration === metadata.generation &&
    metadata.deletionTimestamp === undefined &&
    !asked &&
    finalizer === (spec.direction !== "HSMToSecret") &&
    rivals.path === undefined &&
    rivals.secret === undefined &&
    base !== undefined &&
    checksums.knows(base.checksum) &&
    secret !== undefined &&
    secret.metadata.deletionTimestamp === undefined &&
    secret.metadata.uid === base.secretUID &&
    secret.metadata.resourceVersion === base.secretResourceVersion
  );
}
