/** What qualify does on a token: objects of its own, written, read again in the same process and after a restart. */
import { HsmError } from "../errors.ts";
import type { ObjectOperation, ObjectToken, TokenListing, TokenObject } from "../token.ts";

/** Application of everything that qualify writes: what it may destroy. */
export const APPLICATION = "hsm-secrets-operator qualify";

export interface Wanted {
  readonly label: string;
  readonly application?: string;
  readonly value: Uint8Array;
}

export type Fate =
  /** On the token after a restart of the library, byte by byte. */
  | { readonly kind: "whole" }
  /** The token said no. */
  | { readonly kind: "refused"; readonly error: HsmError }
  /** The token said CKR_OK. `lied`: the process that wrote it read it whole. */
  | { readonly kind: "lost"; readonly lied: boolean };

/** Measures calls; the profile gets the median of each. */
export class Stopwatch {
  readonly #now: () => number;
  readonly #times = new Map<string, number[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const started = this.#now();
    const result = await work();
    const times = this.#times.get(name) ?? [];
    times.push(this.#now() - started);
    this.#times.set(name, times);
    return result;
  }

  medians(): Record<string, number> {
    const entries = [...this.#times].map(([name, times]): [string, number] => {
      const sorted = [...times].sort((a, b) => a - b);
      return [name, Number((sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(2))];
    });
    return Object.fromEntries(entries);
  }
}

export function isOurs(object: TokenObject): boolean {
  return object.application?.startsWith(APPLICATION) === true;
}

/** Deterministic bytes of every value, so that a value can be checked without being kept. */
export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff);
}

function createOf(wanted: Wanted): ObjectOperation {
  return {
    kind: "create",
    label: wanted.label,
    application: wanted.application ?? APPLICATION,
    value: wanted.value,
  };
}

async function holds(token: ObjectToken, id: number | undefined, value: Uint8Array): Promise<boolean> {
  if (id === undefined) return false;
  const [outcome] = await token.read([id]);
  return outcome !== undefined && "value" in outcome && Buffer.from(outcome.value).equals(value);
}

/** Creates one object. */
export async function create(
  token: ObjectToken,
  wanted: Wanted,
): Promise<{ readonly id: number } | { readonly error: HsmError }> {
  const [outcome] = await token.apply([createOf(wanted)]);
  if (outcome?.kind === "created") return { id: outcome.id };
  if (outcome?.kind === "failed") return { error: outcome.error };
  throw new HsmError("Internal", "A create had no outcome.", { operation: "qualify" });
}

/** Creates one object, and finds out what became of it; destroys it again. */
export async function fateOf(token: ObjectToken, wanted: Wanted, watch: Stopwatch): Promise<Fate> {
  const size = wanted.value.length;
  const made = await watch.time(`create ${size} B`, () => create(token, wanted));
  const before = "id" in made && (await holds(token, made.id, wanted.value));
  const listing = await watch.time("restart and search", () => token.refresh());
  const found = listing.objects.find((object) => isOurs(object) && object.label === wanted.label);
  const whole = await watch.time(`first read of ${size} B`, () => holds(token, found?.id, wanted.value));
  if (whole) await watch.time(`read of ${size} B again`, () => holds(token, found?.id, wanted.value));
  if (found !== undefined)
    await watch.time("destroy", () => token.apply([{ kind: "destroy", id: found.id }]));
  if (whole) return { kind: "whole" };
  return "error" in made ? { kind: "refused", error: made.error } : { kind: "lost", lied: before };
}

/**
 * Destroys everything of ours until the library, started anew, shows none: where a card hid objects, destroying some
 * shows others. False when something stays.
 */
export async function cleanUp(token: ObjectToken, listing: TokenListing): Promise<boolean> {
  let ours = listing.objects.filter(isOurs);
  for (let round = 0; round < 8; round += 1) {
    for (const { id } of ours) await token.apply([{ kind: "destroy", id }]);
    ours = (await token.refresh()).objects.filter(isOurs);
    if (ours.length === 0) return true;
  }
  return false;
}
