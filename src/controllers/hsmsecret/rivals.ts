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

/** Who names a path or a Secret at all, and who wants to write it. */
export const BY_PATH = "path";
export const BY_SECRET = "secret";
const BY_WRITTEN_PATH = "writtenPath";
const BY_WRITTEN_SECRET = "writtenSecret";

/** Indexes of the store of HSMSecrets. */
export const hsmSecretIndexes: Indexers<HsmSecretObject> = {
  [BY_PATH]: (object) => namesOf(object).path,
  [BY_SECRET]: (object) => namesOf(object).secret,
  [BY_WRITTEN_PATH]: (object) => namesOf(object).writtenPath,
  [BY_WRITTEN_SECRET]: (object) => namesOf(object).writtenSecret,
};

type Names = Readonly<Record<"path" | "secret" | "writtenPath" | "writtenSecret", readonly string[]>>;

function namesOf(object: HsmSecretObject): Names {
  const parsed = parseHsmSecret(object);
  if (!parsed.ok) return { path: [], secret: [], writtenPath: [], writtenSecret: [] };
  const { spec } = parsed.value;
  const { namespace = "", name } = object.metadata;
  const path = pathOf(spec, namespace, name);
  const paths = path.ok ? [path.value] : [];
  const secrets = [`${namespace}/${spec.secretName ?? name}`];
  return {
    path: paths,
    secret: secrets,
    writtenPath: spec.direction === "HSMToSecret" ? [] : paths,
    writtenSecret: spec.direction === "SecretToHSM" ? [] : secrets,
  };
}

/** `mayUsePath`: one that may not use the path at all must not keep it from those that may. */
export function rivalsFrom(
  store: Pick<ReadStore<HsmSecretObject>, "byIndex">,
  mayUsePath: (object: HsmSecretObject) => boolean,
): Rivals {
  return {
    of(object) {
      const { writtenPath, writtenSecret } = namesOf(object);
      return {
        path: elderOf(
          object,
          writtenPath.flatMap((value) => store.byIndex(BY_WRITTEN_PATH, value)).filter(mayUsePath),
        ),
        secret: elderOf(
          object,
          writtenSecret.flatMap((value) => store.byIndex(BY_WRITTEN_SECRET, value)),
        ),
      };
    },
  };
}

/** The others that want to write the same path or the same Secret. */
export function competitors(
  store: Pick<ReadStore<HsmSecretObject>, "byIndex">,
  object: HsmSecretObject,
): readonly HsmSecretObject[] {
  const { writtenPath, writtenSecret } = namesOf(object);
  return [
    ...writtenPath.flatMap((value) => store.byIndex(BY_WRITTEN_PATH, value)),
    ...writtenSecret.flatMap((value) => store.byIndex(BY_WRITTEN_SECRET, value)),
  ].filter((other) => keyOf(other) !== keyOf(object));
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
