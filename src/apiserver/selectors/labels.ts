/** Label selectors: `app=x,env in (a,b),!old`; the grammar and the error texts of Kubernetes. */

import { child, isJsonObject } from "../object.ts";
import { badRequest } from "../status/status.ts";

type Operator = "in" | "notin" | "exists" | "absent" | "gt" | "lt";

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

export type LabelSelector = readonly Requirement[];

export function matchesLabels(selector: LabelSelector, labels: Record<string, string> | undefined): boolean {
  return selector.every((requirement) => matches(requirement, labels ?? {}));
}

function matches({ key, operator, values }: Requirement, labels: Record<string, string>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    default: {
      if (value === undefined || !/^[+-]?\d+$/.test(value)) return false;
      const difference = BigInt(value) - BigInt(values[0] ?? "0");
      return operator === "gt" ? difference > 0n : difference < 0n;
    }
  }
}

export function parseLabelSelector(text: string): LabelSelector {
  return text === "" ? [] : new Parser(text).parse();
}

interface Token {
  readonly kind: "identifier" | "symbol" | "end";
  readonly text: string;
}

const SYMBOLS = new Set(["=", "==", "!=", "!", "(", ")", ",", ">", "<"]);
const SPECIAL = /[=!(),><]/;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (/\s/.test(char)) {
      at += 1;
    } else if (SPECIAL.test(char)) {
      // The longest run of special characters that is a symbol: `===` is `==` and `=`.
      let length = 1;
      while (SYMBOLS.has(text.slice(at, at + length + 1)) && at + length < text.length) length += 1;
      tokens.push({ kind: "symbol", text: text.slice(at, at + length) });
      at += length;
    } else {
      let end = at;
      while (end < text.length && !SPECIAL.test(text.charAt(end)) && !/\s/.test(text.charAt(end))) end += 1;
      tokens.push({ kind: "identifier", text: text.slice(at, end) });
      at = end;
    }
  }
  return tokens;
}

class Parser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = [];
    for (;;) {
      const next = this.#peek();
      if (next.kind === "end") return requirements;
      if (next.kind !== "identifier" && next.text !== "!") {
        throw badRequest(`found '${next.text}', expected: !, identifier, or 'end of string'`);
      }
      requirements.push(this.#requirement());
      const separator = this.#take();
      if (separator.kind === "end") return requirements;
      if (separator.text !== ",") {
        throw badRequest(`found '${separator.text}', expected: ',' or 'end of string'`);
      }
      const after = this.#peek();
      if (after.kind !== "identifier" && after.text !== "!") {
        throw badRequest(`found '${after.text}', expected: identifier after ','`);
      }
    }
  }

  #requirement(): Requirement {
    let token = this.#take();
    const negated = token.text === "!" && token.kind === "symbol";
    if (negated) token = this.#take();
    if (token.kind !== "identifier") throw unparsable(token, "identifier");
    const key = token.text;
    if (negated) return { key, operator: "absent", values: [] };
    const next = this.#peek();
    if (next.kind === "end" || next.text === ",") return { key, operator: "exists", values: [] };
    const operator = this.#take();
    switch (operator.text) {
      case "in":
      case "notin":
        return { key, operator: operator.text, values: this.#values() };
      case "=":
      case "==":
        return { key, operator: "in", values: [this.#exact()] };
      case "!=":
        return { key, operator: "notin", values: [this.#exact()] };
      case ">":
      case "<": {
        const value = this.#exact();
        if (!/^[+-]?\d+$/.test(value)) {
          throw badRequest(
            `unable to parse requirement: values[0][${key}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        }
        return { key, operator: operator.text === ">" ? "gt" : "lt", values: [value] };
      }
      default:
        throw unparsable(operator, "in, notin, =, ==, !=, gt, lt");
    }
  }

  #values(): string[] {
    const open = this.#take();
    if (open.text !== "(") {
      throw badRequest(`unable to parse requirement: found '${open.text}' expected: '('`);
    }
    const values: string[] = [];
    let expectsValue = true;
    for (;;) {
      const token = this.#take();
      if (token.text === ")" && token.kind === "symbol") {
        if (expectsValue) values.push("");
        return values;
      }
      if (token.text === "," && token.kind === "symbol") {
        if (expectsValue) values.push("");
        expectsValue = true;
      } else if (token.kind === "identifier" && expectsValue) {
        values.push(token.text);
        expectsValue = false;
      } else {
        throw unparsable(token, expectsValue ? "',', ')' or identifier" : "',' or ')'");
      }
    }
  }

  #exact(): string {
    const next = this.#peek();
    if (next.kind === "end" || next.text === ",") return "";
    const token = this.#take();
    if (token.kind !== "identifier") throw unparsable(token, "identifier");
    return token.text;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", text: "" };
  }

  #take(): Token {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }
}

function unparsable(token: Token, expected: string) {
  return badRequest(`unable to parse requirement: found '${token.text}', expected: ${expected}`);
}

/** A LabelSelector object (matchLabels, matchExpressions) on labels; an empty one matches all, none at all nothing. */
export function matchesLabelSelector(
  selector: unknown,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  if (!isJsonObject(selector)) return false;
  const own = labels ?? {};
  const equal = Object.entries(child(selector, "matchLabels")).every(([key, value]) => own[key] === value);
  const expressions = Array.isArray(selector["matchExpressions"]) ? selector["matchExpressions"] : [];
  return (
    equal &&
    expressions.filter(isJsonObject).every((expression) => {
      const found = own[String(expression["key"])];
      const values = Array.isArray(expression["values"]) ? expression["values"] : [];
      switch (expression["operator"]) {
        case "In":
          return found !== undefined && values.includes(found);
        case "NotIn":
          return found === undefined || !values.includes(found);
        case "Exists":
          return found !== undefined;
        default:
          return found === undefined;
      }
    })
  );
}
