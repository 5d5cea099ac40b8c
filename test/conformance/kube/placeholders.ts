/**
 * Placeholders of a recording: `<uid:1>`, `<rv:2>`, `<time>` and so on. The same number is the same value within a
 * story; revisions are compared for equality and order only.
 */

const PLACEHOLDER =
  /<(?:(uid|rv|rand|token|continue):([a-z0-9]+)|(time|microtime|audit-id|etag|cert|kid|hash|age|clusterIP|nodePort|server|n|commit|rand|cut|tmp|rv|gzip|protobuf|pid)|(?:[^<>"]* after iat|unix time|discovery or openapi document, not kept))>/g;

/** What may stand for a placeholder that is not numbered. */
const SHAPES: Readonly<Record<string, string>> = {
  time: "\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z",
  age: "(?:\\d+[smhdy])+|<unknown>|<invalid>",
  rand: "[a-z0-9]+",
  rv: "\\d+",
  microtime: "\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z",
};

/** What a request sends where the recording left the value out. */
const EXAMPLES: Readonly<Record<string, string>> = {
  time: "2026-01-01T00:00:00Z",
  microtime: "2026-01-01T00:00:00.000000Z",
};

const NUMBERED_SHAPES: Readonly<Record<string, string>> = {
  uid: "[0-9a-f-]{36}",
  rv: "\\d+",
  rand: "[a-z0-9]+",
  token: "[A-Za-z0-9._-]+",
  continue: "[A-Za-z0-9_=-]+",
};

export class Bindings {
  readonly #values = new Map<string, string>();
  /** Revisions of lists, bookmarks and messages: others' writes move them, so two of them may be one. */
  readonly #shared = new Set<string>();

  bind(name: string, value: string): void {
    this.#values.set(name, value);
  }

  /** Binds a revision that is not that of one object. */
  bindShared(name: string, value: string): void {
    this.#shared.add(name);
    this.#values.set(name, value);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** What is known now; `restore` forgets what was learnt since. */
  save(): () => void {
    const values = new Map(this.#values);
    const shared = new Set(this.#shared);
    return () => {
      this.#values.clear();
      this.#shared.clear();
      for (const [name, value] of values) this.#values.set(name, value);
      for (const name of shared) this.#shared.add(name);
    };
  }

  /** Puts the known values in; names that are unknown are returned in `missing`. */
  fill(text: string): { text: string; missing: string[] } {
    const missing: string[] = [];
    const filled = text.replace(
      PLACEHOLDER,
      (whole, kind: string | undefined, number: string | undefined, plain: string | undefined) => {
        if (kind === undefined) return EXAMPLES[plain ?? ""] ?? whole;
        const value = this.#values.get(`${kind}:${number}`);
        if (value === undefined) missing.push(`${kind}:${number}`);
        return value ?? whole;
      },
    );
    return { text: filled, missing };
  }

  /**
   * Whether `actual` fits the recorded text; binds what it fixes. Undefined when it fits, else the reason.
   *
   * @param ownRevision the text is the revision of one object: then no other revision may be the same
   */
  match(expected: string, actual: string, ownRevision = false): string | undefined {
    if (expected === actual) return undefined;
    const names: string[] = [];
    let pattern = "";
    let end = 0;
    for (const found of expected.matchAll(PLACEHOLDER)) {
      pattern += escapeRegExp(expected.slice(end, found.index));
      end = found.index + found[0].length;
      const [, kind, number, plain] = found;
      if (kind === undefined) {
        pattern += SHAPES[plain ?? ""] ?? "[\\s\\S]*?";
      } else {
        names.push(`${kind}:${number}`);
        pattern += `(${NUMBERED_SHAPES[kind] ?? ".+"})`;
      }
    }
    const difference = `expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`;
    if (end === 0) return difference;
    const match = new RegExp(`^${pattern}${escapeRegExp(expected.slice(end))}$`).exec(actual);
    if (match === null) return difference;
    for (const [index, name] of names.entries()) {
      const problem = this.#settle(name, match[index + 1] ?? "", ownRevision);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #settle(name: string, value: string, ownRevision: boolean): string | undefined {
    const known = this.#values.get(name);
    if (known !== undefined) {
      return known === value ? undefined : `<${name}> was ${known} before, is ${value} now`;
    }
    if (name.startsWith("rv:")) {
      if (!ownRevision) this.#shared.add(name);
      const problem = this.#outOfOrder(name, value);
      if (problem !== undefined) return problem;
    }
    this.#values.set(name, value);
    return undefined;
  }

  #outOfOrder(name: string, value: string): string | undefined {
    const number = Number(name.slice(3));
    for (const [other, known] of this.#values) {
      if (!other.startsWith("rv:")) continue;
      const later = Number(other.slice(3)) > number;
      const mayBeOne = this.#shared.has(name) || this.#shared.has(other);
      if (mayBeOne && known === value) continue;
      if (later ? BigInt(known) <= BigInt(value) : BigInt(known) >= BigInt(value)) {
        return `<${name}> = ${value} is out of order with <${other}> = ${known}`;
      }
    }
    return undefined;
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
