/** JSON that reports keys that stand twice: JSON.parse keeps the last one silently. */

import { isJsonObject, type JsonObject } from "../object.ts";

export interface ParsedJson {
  readonly value: unknown;
  /** Paths of keys that were given twice, e.g. `data` or `spec.adopt`. */
  readonly duplicates: readonly string[];
}

/** Throws the SyntaxError of JSON.parse. */
export function parseJson(text: string): ParsedJson {
  const value: unknown = JSON.parse(text);
  if (countKeys(value) === countKeyTokens(text)) return { value, duplicates: [] };
  const reader = new Reader(text);
  return { value: reader.value(""), duplicates: [...new Set(reader.duplicates)] };
}

function countKeys(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countKeys(item), 0);
  if (!isJsonObject(value)) return 0;
  let count = 0;
  for (const key of Object.keys(value)) count += 1 + countKeys(value[key]);
  return count;
}

function countKeyTokens(text: string): number {
  let count = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (match[1] !== undefined) count += 1;
  return count;
}

/** Reads text that is known to be JSON; an object given twice under one key is merged, as Go's decoder does. */
class Reader {
  readonly duplicates: string[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(path: string): unknown {
    this.#space();
    const char = this.#text.charAt(this.#at);
    if (char === "{") return this.#object(path);
    if (char === "[") return this.#list(path);
    const pattern = char === '"' ? /"(?:[^"\\]|\\.)*"/y : /[^\s,\]}]+/y;
    return JSON.parse(this.#token(pattern));
  }

  #object(path: string): JsonObject {
    const result: JsonObject = {};
    this.#at += 1;
    for (let first = true; ; first = false) {
      this.#space();
      const next = this.#text.charAt(this.#at);
      if (next === "}") break;
      if (!first) this.#at += 1;
      this.#space();
      const key = JSON.parse(this.#token(/"(?:[^"\\]|\\.)*"/y)) as string;
      this.#space();
      this.#at += 1;
      const keyPath = path === "" ? key : `${path}.${key}`;
      const item = this.value(keyPath);
      const before = Object.hasOwn(result, key) ? result[key] : undefined;
      if (before !== undefined) this.duplicates.push(keyPath);
      const merged = isJsonObject(before) && isJsonObject(item) ? { ...before, ...item } : item;
      Object.defineProperty(result, key, {
        value: merged,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    this.#at += 1;
    return result;
  }

  #list(path: string): unknown[] {
    const result: unknown[] = [];
    this.#at += 1;
    for (;;) {
      this.#space();
      if (this.#text.charAt(this.#at) === "]") break;
      if (result.length > 0) this.#at += 1;
      result.push(this.value(`${path}[${result.length}]`));
    }
    this.#at += 1;
    return result;
  }

  #token(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += token.length;
    return token;
  }

  #space(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at += 1;
  }
}
