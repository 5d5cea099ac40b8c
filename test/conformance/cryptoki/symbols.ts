/**
 * Symbols of recordings (`h1`, `s1`, `slot1`) and the numbers that the module under test gave in their place.
 * One table a process: numbers of different processes mean nothing to each other.
 */

/** Objects found together that nothing has told apart yet: as many numbers as symbols, in the order found. */
export interface Group {
  readonly symbols: readonly string[];
  readonly numbers: readonly string[];
}

/** A handle that no module gives out, for symbols that a story uses without having got them. */
const NEVER_GIVEN = "987654321";

export class Symbols {
  readonly #numbers: Map<string, string>;
  readonly #symbols: Map<string, string>;
  /** Bound since the last C_Initialize: only those say which objects are equal. */
  #current = new Set<string>();
  #groups: readonly Group[] = [];

  constructor(numbers = new Map<string, string>(), symbols = new Map<string, string>()) {
    this.#numbers = numbers;
    this.#symbols = symbols;
  }

  /** A copy for calls that run beside others: what they bind in the meantime is not theirs. */
  fork(): Symbols {
    const copy = new Symbols(new Map(this.#numbers), new Map(this.#symbols));
    copy.#current = new Set(this.#current);
    copy.#groups = this.#groups;
    return copy;
  }

  /** The number to pass for a symbol; symbols of index 0 are the number 0. */
  number(symbol: string): string {
    if (/^[hs]0$/.test(symbol)) return "0";
    return this.#numbers.get(symbol) ?? NEVER_GIVEN;
  }

  bind(symbol: string, number: string): void {
    this.#numbers.set(symbol, number);
    this.#symbols.set(`${symbol.charAt(0)}${number}`, symbol);
    this.#current.add(symbol);
  }

  /** True when the symbol was bound since the last C_Initialize. */
  isCurrent(symbol: string): boolean {
    return this.#current.has(symbol);
  }

  /** The current symbol of a number, `kind` being `h` or `s`. */
  symbol(kind: "h" | "s", number: string): string | undefined {
    if (number === "0") return `${kind}0`;
    const symbol = this.#symbols.get(`${kind}${number}`);
    const holds = symbol !== undefined && this.#current.has(symbol) && this.#numbers.get(symbol) === number;
    return holds ? symbol : undefined;
  }

  /** Adds objects found for the first time; a group of one is bound at once. */
  addGroup(group: Group): void {
    const [symbol] = group.symbols;
    const [number] = group.numbers;
    if (symbol === undefined || number === undefined) return;
    if (group.symbols.length === 1) this.bind(symbol, number);
    else this.#groups = [...this.#groups, group];
  }

  /** The group that a symbol stands in, if it is not bound yet. */
  groupOf(symbol: string): Group | undefined {
    return this.#groups.find((group) => group.symbols.includes(symbol));
  }

  hasGroupedNumber(number: string): boolean {
    return this.#groups.some((group) => group.numbers.includes(number));
  }

  /**
   * A search that found some of a group says which numbers those symbols are among. Returns one sentence for each
   * group of which it found another number of objects than recorded.
   */
  refine(found: Group): readonly string[] {
    const before = this.#groups;
    this.#groups = [];
    const differences: string[] = [];
    for (const group of before) {
      const inside = {
        symbols: group.symbols.filter((symbol) => found.symbols.includes(symbol)),
        numbers: group.numbers.filter((number) => found.numbers.includes(number)),
      };
      if (inside.symbols.length !== inside.numbers.length) {
        differences.push(
          `${inside.numbers.length} of ${group.symbols.join(", ")} found, recorded ${inside.symbols.length}`,
        );
        this.#groups = [...this.#groups, group];
        continue;
      }
      this.addGroup(inside);
      this.addGroup({
        symbols: group.symbols.filter((symbol) => !inside.symbols.includes(symbol)),
        numbers: group.numbers.filter((number) => !inside.numbers.includes(number)),
      });
    }
    return differences;
  }

  /** Takes one symbol and its number out of a group. */
  settle(group: Group, symbol: string, number: string): void {
    this.#groups = this.#groups.filter((other) => other !== group);
    this.bind(symbol, number);
    this.addGroup({
      symbols: group.symbols.filter((other) => other !== symbol),
      numbers: group.numbers.filter((other) => other !== number),
    });
  }

  /** After C_Initialize numbers may be given out anew. */
  startAgain(): void {
    this.#current = new Set();
    this.#groups = [];
  }

  /** Objects that the module may make anew (the card came back): their handles are new ones, or happen to be equal. */
  forgetObjects(): void {
    this.#current = new Set([...this.#current].filter((symbol) => !symbol.startsWith("h")));
    this.#groups = [];
  }
}

/** Slots of a story: recordings write numbers that are the same everywhere, and symbols for random ones. */
export class Slots {
  readonly #numbers = new Map<string, string>();

  number(slot: unknown): string {
    if (typeof slot === "number") return String(slot);
    return this.#numbers.get(String(slot)) ?? NEVER_GIVEN;
  }

  bind(slot: unknown, number: string): void {
    if (typeof slot === "string") this.#numbers.set(slot, number);
  }
}
