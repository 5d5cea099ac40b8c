/**
 * Globs of device nodes: `*`, `?`, `[a-c]`, `[!a]` and `{a,b}` within one segment of a path. Written here because
 * node:fs has globs from Node 22 on only; matching is linear in pattern and name, so that no pattern hangs it.
 */

type Token =
  | { readonly kind: "star" }
  | { readonly kind: "any" }
  | { readonly kind: "char"; readonly char: string }
  | {
      readonly kind: "set";
      readonly negated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    };

const MOST_ALTERNATIVES = 64;

export class GlobError extends Error {
  override readonly name = "GlobError";
  readonly code = "GLOB_INVALID";
}

export function hasGlob(segment: string): boolean {
  return /[*?[{]/.test(segment);
}

/** A test for names. Throws a GlobError for brackets or braces that do not close, and for too many alternatives. */
export function globMatcher(segment: string): (name: string) => boolean {
  const alternatives = expandBraces(segment).map(tokensOf);
  // As in a shell: a name that begins with a dot is meant only by a pattern that does.
  return (name) =>
    alternatives.some((tokens) => (!name.startsWith(".") || isDot(tokens[0])) && matches(tokens, [...name]));
}

function isDot(token: Token | undefined): boolean {
  return token?.kind === "char" && token.char === ".";
}

/** `a{b,c}d` to `abd` and `acd`. */
function expandBraces(text: string): readonly string[] {
  const open = text.indexOf("{");
  if (open < 0) return [text];
  const close = text.indexOf("}", open);
  if (close < 0) throw new GlobError("A brace of the path is not closed.");
  const choices = text.slice(open + 1, close).split(",");
  if (choices.some((choice) => choice.includes("{"))) throw new GlobError("Braces of the path are nested.");
  const rest = expandBraces(text.slice(close + 1));
  if (choices.length * rest.length > MOST_ALTERNATIVES) {
    throw new GlobError("The path has too many alternatives.");
  }
  return choices.flatMap((choice) => rest.map((end) => `${text.slice(0, open)}${choice}${end}`));
}

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const chars = [...text];
  for (let at = 0; at < chars.length; at += 1) {
    const char = chars[at] ?? "";
    if (char === "*") tokens.push({ kind: "star" });
    else if (char === "?") tokens.push({ kind: "any" });
    else if (char === "[") {
      const negated = chars[at + 1] === "!" || chars[at + 1] === "^";
      const first = at + (negated ? 2 : 1);
      // A bracket right after the opening one stands for itself.
      const close = chars.indexOf("]", first + 1);
      if (close < 0) throw new GlobError("A bracket of the path is not closed.");
      tokens.push({ kind: "set", negated, ranges: rangesOf(chars.slice(first, close)) });
      at = close;
    } else tokens.push({ kind: "char", char });
  }
  return tokens;
}

function rangesOf(chars: readonly string[]): readonly (readonly [string, string])[] {
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < chars.length; at += 1) {
    const from = chars[at] ?? "";
    const to = chars[at + 2];
    if (chars[at + 1] === "-" && to !== undefined) {
      ranges.push([from, to]);
      at += 2;
    } else ranges.push([from, from]);
  }
  return ranges;
}

/** On a mismatch only the last star takes one character more: earlier ones need never change. */
function matches(tokens: readonly Token[], name: readonly string[]): boolean {
  let token = 0;
  let char = 0;
  let star = -1;
  let starred = 0;
  while (char < name.length) {
    const current = tokens[token];
    if (current?.kind === "star") {
      star = token;
      starred = char;
      token += 1;
    } else if (current !== undefined && fits(current, name[char] ?? "")) {
      token += 1;
      char += 1;
    } else if (star >= 0) {
      starred += 1;
      char = starred;
      token = star + 1;
    } else return false;
  }
  return tokens.slice(token).every(({ kind }) => kind === "star");
}

function fits(token: Token, char: string): boolean {
  if (token.kind === "char") return token.char === char;
  if (token.kind === "set") {
    return token.negated !== token.ranges.some(([from, to]) => from <= char && char <= to);
  }
  return token.kind === "any";
}
