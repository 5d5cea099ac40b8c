/**
 * What may go once new records are proven. Pure, and given only what the refresh that proved them showed: an object
 * that was not seen then is never destroyed.
 */

import type { ForeignModel } from "./foreign.ts";
import type { PlannedWrite, TokenView } from "./plan.ts";

export interface CleanupInput {
  /** The records that were just proven. */
  readonly proven: readonly PlannedWrite[];
  /** As the proof showed it, the new records included. */
  readonly view: TokenView;
  readonly foreign: ForeignModel;
}

/** Ids to destroy, in order: what exceeds the history (oldest first), migrated foreign objects, leftovers. */
export function planCleanup({ proven, view, foreign }: CleanupInput): number[] {
  const ids = new Set<number>();
  for (const write of proven) {
    for (const id of exceeding(write, view)) ids.add(id);
    for (const id of migrated(write.path, foreign)) ids.add(id);
  }
  for (const id of view.leftovers) ids.add(id);
  return [...ids].filter((id) => view.stuck?.has(id) !== true);
}

function exceeding(write: PlannedWrite, view: TokenView): number[] {
  const path = view.paths.get(write.path);
  if (path === undefined) return [];
  // Beside a concurrent record nothing is deleted yet: a person or the policy decides first.
  const deleted =
    write.state === "dead" && path.served?.digest === write.digest && path.conflicts.length === 0;
  const damaged = path.corrupt.filter((group) => group.generation <= write.generation);
  const behind = path.history.slice(deleted ? 0 : write.historyLimit).reverse();
  return [...damaged, ...behind].flatMap(({ ids }) => [...ids]);
}

/** The per-key objects of that very path, but none that can also be read as another secret. Metadata goes last. */
function migrated(path: string, foreign: ForeignModel): number[] {
  const secret = foreign.secrets.get(path);
  if (secret === undefined) return [];
  const ids = secret.keys.filter((key) => !key.ambiguous).map(({ id }) => id);
  // While an ambiguous object is left, the metadata tells people what it belongs to.
  if (secret.metadata !== undefined && ids.length === secret.keys.length) ids.push(secret.metadata);
  return ids;
}
