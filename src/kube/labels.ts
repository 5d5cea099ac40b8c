/** Labels as a nodeSelector sees them: each that it names must be there with that very value. */

export type Labels = Readonly<Record<string, string>>;

/** An absent or empty selector fits everything. */
export function fitsSelector(selector: Labels | undefined, labels: Labels | undefined): boolean {
  return Object.entries(selector ?? {}).every(
    ([name, value]) => labels !== undefined && Object.hasOwn(labels, name) && labels[name] === value,
  );
}
