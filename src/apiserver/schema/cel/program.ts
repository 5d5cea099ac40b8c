import { type CelInput, CelScalar, celEnv, isCelError, parse, plan } from "@bufbuild/cel";
import { isJsonObject } from "../../object.ts";
import { KUBERNETES_FUNCTIONS } from "./functions.ts";

export interface Variables {
  readonly self: CelInput;
  /** Left out where there is none. */
  readonly oldSelf?: CelInput;
}

export type Outcome = { readonly value: unknown } | { readonly error: string };

/** An expression that was parsed and planned once. */
export interface Program {
  readonly usesOldSelf: boolean;
  run(variables: Variables): Outcome;
}

const env = celEnv({
  variables: { self: CelScalar.DYN, oldSelf: CelScalar.DYN },
  funcs: [...KUBERNETES_FUNCTIONS],
});

const programs = new Map<string, Program>();
const MAX_PROGRAMS = 4_096;

/** @throws Error with the parser's message when the text is no expression */
export function compileProgram(text: string): Program {
  const known = programs.get(text);
  if (known !== undefined) return known;
  const parsed = parse(text);
  const evaluate = plan(env, parsed);
  const program: Program = {
    usesOldSelf: mentionsIdentifier(parsed.expr, "oldSelf"),
    run(variables) {
      const result = evaluate({ self: variables.self, oldSelf: variables.oldSelf ?? null });
      return isCelError(result) ? { error: errorText(result) } : { value: result };
    },
  };
  if (programs.size >= MAX_PROGRAMS) programs.clear();
  programs.set(text, program);
  return program;
}

/** The library's sentence in the words of the Go library. */
function errorText(error: Error): string {
  return error.message.replace(/^field not found: /, "no such key: ");
}

function mentionsIdentifier(node: unknown, name: string): boolean {
  if (Array.isArray(node)) return node.some((item) => mentionsIdentifier(item, name));
  if (!isJsonObject(node)) return false;
  if (node["case"] === "identExpr" && isJsonObject(node["value"]) && node["value"]["name"] === name)
    return true;
  return Object.values(node).some((item) => mentionsIdentifier(item, name));
}
