/**
 * Whose a Secret is, and the marks that say so. Ours is one whose owner reference (or, where it has none on purpose,
 * the held-for annotation), labels and path annotation name this HSMSecret, even by an older UID. Everything else
 * belongs to somebody and is left alone unless `spec.adopt` says otherwise.
 */

import type { Base } from "../../crd/hsmsecret-status.ts";
import {
  ANNOTATION_BASE,
  ANNOTATION_HELD_FOR,
  ANNOTATION_PATH,
  API_VERSION,
  GROUP,
  MANAGED_LABELS,
} from "../../crd/names.ts";
import type { OwnerReference } from "../../kube/object.ts";
import { encodeBase, repeats } from "./base.ts";
import type { Facts, Marks, OwnerFacts, SecretFacts } from "./facts.ts";

/** `former`: ours by the UID of an HSMSecret that is gone; the collector takes it unless it is re-owned at once. */
export type Ownership = "ours" | "former" | "others";

type PresentSecret = Extract<SecretFacts, { state: "present" }>;

export function ownershipOf(secret: PresentSecret, owner: OwnerFacts, path: string): Ownership {
  const labelled = Object.entries(MANAGED_LABELS).every(([name, value]) => secret.labels[name] === value);
  if (!labelled || secret.annotations[ANNOTATION_PATH] !== path) return "others";
  const references = secret.ownerReferences.filter((reference) => isReferenceTo(reference, owner.name));
  if (references.some((reference) => reference.uid === owner.uid)) return "ours";
  if (references.length > 0) return "former";
  return secret.annotations[ANNOTATION_HELD_FOR] === owner.name ? "ours" : "others";
}

function isReferenceTo(reference: OwnerReference, name: string): boolean {
  return (
    reference.kind === "HSMSecret" && reference.name === name && reference.apiVersion.split("/")[0] === GROUP
  );
}

/**
 * The marks of a Secret of ours. Without `owned` it has no owner reference, so that the collector cannot take it:
 * while it is the last copy, and always where secretDeletionPolicy is Retain.
 */
export function marksFor(facts: Facts, base: Base | undefined, owned: boolean): Marks {
  const { owner, spec, secret } = facts;
  const others = referencesOfOthers(secret, owner);
  const reference: OwnerReference = {
    apiVersion: API_VERSION,
    kind: "HSMSecret",
    name: owner.name,
    uid: owner.uid,
    controller: !others.some((other) => other.controller === true),
    blockOwnerDeletion: true,
  };
  return {
    ownerReferences: owned ? [...others, reference] : others,
    labels: { ...spec.template?.labels, ...MANAGED_LABELS },
    annotations: {
      ...spec.template?.annotations,
      [ANNOTATION_PATH]: facts.path,
      [ANNOTATION_HELD_FOR]: owned ? null : owner.name,
      ...(base === undefined ? {} : { [ANNOTATION_BASE]: encodeBase(base) }),
    },
  };
}

/** Takes our marks off: the Secret belongs to itself from then on. The base stays, for an adoption later. */
export function releaseMarks(facts: Facts): Marks {
  return {
    ownerReferences: referencesOfOthers(facts.secret, facts.owner),
    labels: Object.fromEntries(Object.keys(MANAGED_LABELS).map((name) => [name, null])),
    annotations: { [ANNOTATION_HELD_FOR]: null },
  };
}

function referencesOfOthers(secret: SecretFacts, owner: OwnerFacts): readonly OwnerReference[] {
  if (secret.state === "absent") return [];
  return secret.ownerReferences.filter((reference) => !isReferenceTo(reference, owner.name));
}

/** True when the Secret carries the marks already, so that nothing has to be written. */
export function carries(secret: PresentSecret, marks: Marks, base: Base | undefined): boolean {
  const same = (wanted: Readonly<Record<string, string | null>>, has: Readonly<Record<string, string>>) =>
    Object.entries(wanted).every(([name, value]) => {
      if (name === ANNOTATION_BASE && base !== undefined) return repeats(has[name], base);
      return value === null ? has[name] === undefined : has[name] === value;
    });
  return (
    same(marks.labels, secret.labels) &&
    same(marks.annotations, secret.annotations) &&
    sameReferences(marks.ownerReferences, secret.ownerReferences)
  );
}

function sameReferences(wanted: readonly OwnerReference[], has: readonly OwnerReference[]): boolean {
  const uids = (list: readonly OwnerReference[]) =>
    list
      .map((reference) => reference.uid)
      .toSorted()
      .join(" ");
  return uids(wanted) === uids(has);
}
