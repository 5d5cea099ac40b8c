/**
 * Kills agent and manager at points that a seed chooses: when the agent's log names a step of a write, at a line of
 * the manager's, or after a delay. From outside, by SIGKILL; the programs do not know.
 */

import type { LocalSession, ProgramName } from "../session.ts";

/** The steps of a write as the agent's log names them (agent/step-log.ts). */
export const WRITE_STEPS = ["creating", "created", "read back", "destroying", "destroyed"] as const;

type Trigger =
  | { readonly target: "agent"; readonly step: (typeof WRITE_STEPS)[number] }
  | { readonly target: "manager"; readonly lines: number }
  | { readonly target: ProgramName; readonly delay: number };

/** Milliseconds. */
const LONGEST_DELAY = 400;
const MOST_LINES = 12;
/** Kills in one step of the check: it has to end some time. */
const MOST_KILLS = 3;

export class Killer {
  readonly #session: LocalSession;
  readonly #random: () => number;
  readonly #onKill: (target: ProgramName, point: string) => void;
  #armed: Trigger | undefined;
  #linesSeen = 0;
  #left = 0;
  #timer: NodeJS.Timeout | undefined;
  #turn: number;

  constructor(session: LocalSession, seed: number, onKill: (target: ProgramName, point: string) => void) {
    this.#session = session;
    this.#random = seededRandom(seed);
    this.#onKill = onKill;
    this.#turn = Math.floor(this.#random() * 100);
  }

  /** A step of the check begins. A point that did not come in the last one is given up. */
  arm(): void {
    this.#left = MOST_KILLS;
    this.#next();
  }

  #next(): void {
    clearTimeout(this.#timer);
    this.#left -= 1;
    this.#linesSeen = 0;
    this.#armed = this.#choose();
    if ("delay" in this.#armed) {
      const { target, delay } = this.#armed;
      this.#timer = setTimeout(() => this.#kill(target, `${delay} ms`), delay);
    }
  }

  disarm(): void {
    clearTimeout(this.#timer);
    this.#armed = undefined;
  }

  /** Each line that a program writes. */
  line(program: ProgramName, text: string): void {
    const armed = this.#armed;
    if (armed === undefined || armed.target !== program) return;
    if ("step" in armed) {
      if (stepOf(text) === armed.step) this.#kill("agent", armed.step);
    } else if ("lines" in armed) {
      this.#linesSeen += 1;
      if (this.#linesSeen === armed.lines) this.#kill("manager", `line ${armed.lines}`);
    }
  }

  #choose(): Trigger {
    this.#turn += 1;
    // Every other point is a step of a write, in turn, so that each gets its share.
    const step = WRITE_STEPS[Math.floor(this.#turn / 2) % WRITE_STEPS.length];
    if (this.#turn % 2 === 0 && step !== undefined) return { target: "agent", step };
    const kind = Math.floor(this.#random() * 3);
    if (kind === 0) return { target: "manager", lines: 1 + Math.floor(this.#random() * MOST_LINES) };
    const delay = Math.floor(this.#random() * LONGEST_DELAY);
    return { target: kind === 1 ? "agent" : "manager", delay };
  }

  #kill(target: ProgramName, point: string): void {
    this.#armed = undefined;
    if (this.#session.program(target).kill()) this.#onKill(target, point);
    // The next point comes while the program starts anew, or soon after.
    if (this.#left > 0) this.#next();
  }
}

function stepOf(line: string): string | undefined {
  if (!line.includes('"write step"')) return undefined;
  try {
    const { step } = JSON.parse(line) as { readonly step?: unknown };
    return typeof step === "string" ? step : undefined;
  } catch {
    return undefined; // The last line of a killed process may be cut.
  }
}

/** Mulberry32: the same numbers for the same seed, on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
