export type KeyOf = (item: unknown) => string;

/**
 * Orders a merged list: items that the patch names in the order of the patch, items that only the server has in the
 * server's order, each of the latter as early as the server's own order between two known items demands.
 */
export function inPatchOrder(
  merged: readonly unknown[],
  patchOrder: readonly unknown[],
  serverOrder: readonly unknown[],
  keyOf: KeyOf,
): unknown[] {
  const patchRank = ranks(patchOrder, keyOf);
  const serverRank = ranks(serverOrder, keyOf);
  const byRank = (rank: Map<string, number>) => (a: unknown, b: unknown) =>
    (rank.get(keyOf(a)) ?? 0) - (rank.get(keyOf(b)) ?? 0);
  const left = merged.filter((item) => patchRank.has(keyOf(item))).sort(byRank(patchRank));
  const right = merged.filter((item) => !patchRank.has(keyOf(item))).sort(byRank(serverRank));

  const result: unknown[] = [];
  let next = 0;
  for (const item of left) {
    const rank = serverRank.get(keyOf(item));
    while (next < right.length && rank !== undefined) {
      const other = serverRank.get(keyOf(right[next]));
      if (other === undefined || other > rank) break;
      result.push(right[next++]);
    }
    result.push(item);
  }
  return [...result, ...right.slice(next)];
}

function ranks(items: readonly unknown[], keyOf: KeyOf): Map<string, number> {
  const result = new Map<string, number>();
  for (const [index, item] of items.entries()) if (!result.has(keyOf(item))) result.set(keyOf(item), index);
  return result;
}
