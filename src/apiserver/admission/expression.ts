/** CEL expressions of admission policies. */

import { type CelInput, CelScalar, celEnv, isCelError, parse, plan } from "@bufbuild/cel";
import { KUBERNETES_FUNCTIONS } from "../schema/cel/functions.ts";

/** What an expression may name. */
export interface PolicyVariables {
  readonly object: CelInput;
  readonly oldObject: CelInput;
  readonly request: CelInput;
  readonly params: CelInput;
  readonly namespaceObject: CelInput;
  /** Values of the policy's own variables, by name. */
  readonly variables: CelInput;
}

export type Evaluation = { readonly value: unknown } | { readonly error: string };

const env = celEnv({
  variables: {
    object: CelScalar.DYN,
    oldObject: CelScalar.DYN,
    request: CelScalar.DYN,
    params: CelScalar.DYN,
    namespaceObject: CelScalar.DYN,
    variables: CelScalar.DYN,
  },
  funcs: [...KUBERNETES_FUNCTIONS],
});

const compile = (text: string) => plan(env, parse(text));
const plans = new Map<string, ReturnType<typeof compile>>();
const MAX_PLANS = 1024;

export function evaluate(text: string, variables: PolicyVariables): Evaluation {
  try {
    let evaluator = plans.get(text);
    if (evaluator === undefined) {
      evaluator = compile(text);
      if (plans.size >= MAX_PLANS) plans.clear();
      plans.set(text, evaluator);
    }
    const result = evaluator({ ...variables });
    return isCelError(result) ? { error: result.message } : { value: result };
  } catch (error) {
    return { error: `compilation failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}
