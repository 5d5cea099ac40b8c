/** Conditions of a status (API conventions): their transition time changes when their status does, never else. */

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, seconds. */
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number | undefined;
}

export type ConditionInput = Omit<Condition, "lastTransitionTime">;

/** RFC 3339 with seconds, as Kubernetes writes its Time. */
export function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/** RFC 3339 with exactly six digits: a MicroTime with three is refused by the API server. */
export function microTimeOf(milliseconds: number): string {
  const whole = Math.floor(milliseconds);
  const micros = Math.floor((milliseconds - whole) * 1000);
  return new Date(whole).toISOString().replace("Z", `${String(micros).padStart(3, "0")}Z`);
}

/**
 * The conditions with this one set; order is kept, a new one goes to the end. An equal one gives back the very list,
 * so that `===` tells whether anything changed.
 */
export function setCondition(
  conditions: readonly Condition[],
  input: ConditionInput,
  now: number,
): readonly Condition[] {
  const index = conditions.findIndex((condition) => condition.type === input.type);
  const old = conditions[index];
  const lastTransitionTime = old?.status === input.status ? old.lastTransitionTime : timeOf(now);
  if (
    old !== undefined &&
    old.status === input.status &&
    old.reason === input.reason &&
    old.message === input.message &&
    old.observedGeneration === input.observedGeneration
  ) {
    return conditions;
  }
  const next: Condition = { ...input, lastTransitionTime };
  return old === undefined ? [...conditions, next] : conditions.with(index, next);
}

export function findCondition(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}
