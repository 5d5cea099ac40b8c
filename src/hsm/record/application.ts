/**
 * CKA_APPLICATION of our objects: what a listing can say of a record without reading a value.
 *
 * It is readable without a PIN, so nothing in it can be guessed back to a secret: the digest covers a random nonce.
 */

import { MAX_PARTS } from "./part.ts";

/** Of per-key objects that an earlier program of this name wrote: exactly this. */
export const PER_KEY_APPLICATION = "hsm-secrets-operator";
const PREFIX = "hsm-secrets-operator/1 ";
const FORMAT =
  /^hsm-secrets-operator\/1 g=([1-9][0-9]{0,15}) p=([1-9][0-9]{0,3})\/([1-9][0-9]{0,3}) d=([0-9a-f]{32}) s=(live|dead)$/;

export interface PartName {
  readonly generation: number;
  /** From 1. */
  readonly index: number;
  readonly count: number;
  /** First 32 hex digits of the record's digest. */
  readonly digest: string;
  readonly state: "live" | "dead";
}

export function formatApplication(part: PartName): string {
  return `${PREFIX}g=${part.generation} p=${part.index}/${part.count} d=${part.digest} s=${part.state}`;
}

/** `undefined`: not ours. `"invalid"`: it says that it is ours, and cannot be read. */
export function parseApplication(application: string | null): PartName | "invalid" | undefined {
  if (application === null || !application.startsWith(PREFIX)) return undefined;
  const match = FORMAT.exec(application);
  if (match === null) return "invalid";
  const [, generation, index, count, digest, state] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const part: PartName = {
    generation: Number(generation),
    index: Number(index),
    count: Number(count),
    digest,
    state: state === "dead" ? "dead" : "live",
  };
  if (!Number.isSafeInteger(part.generation) || part.index > part.count || part.count > MAX_PARTS)
    return "invalid";
  return part;
}
