/**
 * Who may write a path, and a Secret, when several HSMSecrets want to: the elder by creation, then by UID. Readers
 * of a path (HSMToSecret) are no rivals for it, and one that only reads a Secret (SecretToHSM) is none for that.
 */

import { parseHsmSecret, pathOf } from "../../crd/parse.ts";
import { keyOf } from "../../kube/object.ts";
import type { ReadStore } from "../../kube/store.ts";
import type { Indexers } from "../../kube/store-index.ts";
import type { HsmSecretObject } from "./resource.ts";

export interface Rivals {
  of(object: HsmSecretObject): { readonly path?: string | undefined; readonly secret?: string | undefined };
}

const BY_PATH = "writesPath";
const BY_SECRET = "writesSecret";
export const BY_ANY_PATH = "path";

/** Indexes of the store of HSMSecrets. */
export const rivalIndexes: Indexers<HsmSecretObject> = {
  [BY_PATH]: (object) => wants(object).path,
  [BY_SECRET]: (object) => wants(object).secret,
  [BY_ANY_PATH]: (object) => wants(object).anyPath,
};

function wants(object: HsmSecretObject): Readonly<Record<"path" | "secret" | "anyPath", readonly string[]>> {
  const parsed = parseHsmSecret(object);
  if (!parsed.ok) return { path: [], secret: [], anyPath: [] };
  const { spec } = parsed.value;
  const { namespace = "", name } = object.metadata;
  const path = pathOf(spec, namespace, name);
  const paths = path.ok ? [path.value] : [];
  return {
    path: spec.direction === "HSMToSecret" ? [] : paths,
    secret: spec.direction === "SecretToHSM" ? [] : [`${namespace}/${spec.secretName ?? name}`],
    anyPath: paths,
  };
}

/** `mayUsePath`: one that may not use the path at all must not keep it from those that may. */
export function rivalsFrom(
  store: Pick<ReadStore<HsmSecretObject>, "byIndex">,
  mayUsePath: (object: HsmSecretObject) => boolean,
): Rivals {
  return {
    of(object) {
      const { path, secret } = wants(object);
      return {
        path: elderOf(object, path.flatMap((value) => store.byIndex(BY_PATH, value)).filter(mayUsePath)),
        secret: elderOf(
          object,
          secret.flatMap((value) => store.byIndex(BY_SECRET, value)),
        ),
      };
    },
  };
}

/** The key of the eldest that is elder than this one. */
export function elderOf(object: HsmSecretObject, others: readonly HsmSecretObject[]): string | undefined {
  const elder = others
    .filter((other) => other.metadata.uid !== object.metadata.uid && keyOf(other) !== keyOf(object))
    .filter((other) => rank(other) < rank(object))
    .toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
  return elder === undefined ? undefined : keyOf(elder);
}

function rank(object: HsmSecretObject): string {
  return `${object.metadata.creationTimestamp ?? "9999"} ${object.metadata.uid}`;
}
