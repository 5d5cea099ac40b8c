/** The base of the three-way comparison: which one counts, how it is made, how a Secret repeats it. */

import type { Base, HsmSecretStatus } from "../../crd/hsmsecret-status.ts";
import { ANNOTATION_BASE, ANNOTATION_PATH } from "../../crd/names.ts";
import { parseBase } from "../../crd/parse.ts";
import type { Checksums, SecretFacts, TokenFacts } from "./facts.ts";

/**
 * The status's base, else the one that the Secret repeats (for this very path). A checksum under another key is no
 * base: it cannot be compared, and must read neither as changed nor as equal.
 */
export function baseOf(
  status: HsmSecretStatus,
  secret: SecretFacts,
  path: string,
  checksums: Checksums,
): Base | undefined {
  const base = status.base ?? repeatedBase(secret, path);
  return base !== undefined && checksums.knows(base.checksum) ? base : undefined;
}

function repeatedBase(secret: SecretFacts, path: string): Base | undefined {
  if (secret.state === "absent" || secret.annotations[ANNOTATION_PATH] !== path) return undefined;
  const base = parseBase(secret.annotations[ANNOTATION_BASE]);
  // Written into the annotation only with a live Secret: without the UID it was made together with the Secret.
  return base === undefined ? undefined : { ...base, secretUID: base.secretUID ?? secret.uid };
}

/** True when the base was taken at a deletion: the token held a tombstone and there was no Secret. */
export function isDeletion(base: Base): boolean {
  return base.secretUID === undefined;
}

type Present = Extract<TokenFacts, { state: "present" }>;

/** The base of two sides that are proven equal. `secret` is absent for a deletion that was carried over. */
export function makeBase(
  token: Present,
  checksum: string,
  secret: { readonly uid: string; readonly resourceVersion?: string } | undefined,
): Base {
  const { value } = token;
  return {
    pool: token.pool,
    generation: token.generation,
    digest: token.digest,
    ...(value === undefined || token.kind === "foreign"
      ? {}
      : { dot: { device: value.dot[0], counter: value.dot[1] } }),
    ...(secret === undefined ? {} : { secretUID: secret.uid }),
    ...(secret?.resourceVersion === undefined ? {} : { secretResourceVersion: secret.resourceVersion }),
    checksum,
  };
}

/** What goes into the annotation: without the resourceVersion, which the annotation itself would change. */
export function encodeBase(base: Base): string {
  const { pool, generation, digest, dot, secretUID, checksum } = base;
  return JSON.stringify({ pool, generation, digest, dot, secretUID, checksum });
}

/** True when the annotation says the same, whether or not it was made before the Secret had a UID. */
export function repeats(annotation: string | undefined, base: Base): boolean {
  if (annotation === undefined) return false;
  const old = parseBase(annotation);
  if (old === undefined) return false;
  return encodeBase({ ...old, secretUID: old.secretUID ?? base.secretUID }) === encodeBase(base);
}
