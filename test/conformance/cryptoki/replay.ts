/** Plays a recorded story against a module and tells where it behaves in another way. */
import { compareCall, type StoryFacts } from "./compare.ts";
import { encode } from "./encode.ts";
import type { Card, Environment } from "./environment.ts";
import { type PlayedCall, Player } from "./player.ts";
import { isList, type RecordedLine, type Story } from "./recording.ts";
import { compareSearch, settleSymbol } from "./search.ts";
import { Slots, Symbols } from "./symbols.ts";

export interface Difference {
  /** `<folder>/<topic>`, e.g. `softhsm-2.6.1/pin`. */
  readonly recording: string;
  readonly story: string;
  readonly i: number;
  readonly call: string;
  readonly text: string;
}

export interface StoryResult {
  readonly calls: number;
  readonly differences: readonly Difference[];
  /** Calls whose number of card commands is the recorded one, and calls where it was recorded at all. */
  readonly sameCost: number;
  readonly withCost: number;
  readonly costs: readonly string[];
}

export function recordingName(file: string): string {
  const [topic = "", folder = ""] = file.split("/").reverse();
  return `${folder}/${topic.replace(/\.ndjson$/, "")}`;
}

interface Process {
  readonly player: Player;
  readonly symbols: Symbols;
}

export async function playStory(story: Story, environment: Environment): Promise<StoryResult> {
  const card = await environment.makeCard(story);
  const replay = new Replay(story, environment, card);
  try {
    await replay.run();
  } finally {
    await replay.endProcesses();
    await card.dispose();
  }
  return replay.result();
}

class Replay {
  readonly #story: Story;
  readonly #environment: Environment;
  readonly #card: Card;
  readonly #processes = new Map<string, Process>();
  readonly #slots = new Slots();
  readonly #facts: StoryFacts = { tokenInfo: new Map() };
  readonly #differences: Difference[] = [];
  /** Calls under way that the story finishes later, by process and thread. */
  readonly #pending = new Map<string, Promise<PlayedCall>>();
  readonly #lastProcess: string | undefined;
  readonly #onlyLastProcess: boolean;
  #calls = 0;
  #sameCost = 0;
  #withCost = 0;
  readonly #costs: string[] = [];

  constructor(story: Story, environment: Environment, card: Card) {
    this.#story = story;
    this.#environment = environment;
    this.#card = card;
    this.#lastProcess = story.lines.findLast((line) => line.proc !== undefined)?.proc;
    // What ran at once has no order, so only what is left in the end counts.
    this.#onlyLastProcess = recordingName(story.file).endsWith("/threads");
  }

  result(): StoryResult {
    return {
      calls: this.#calls,
      differences: this.#differences,
      sameCost: this.#sameCost,
      withCost: this.#withCost,
      costs: this.#costs,
    };
  }

  async run(): Promise<void> {
    const { lines } = this.#story;
    for (let at = 0; at < lines.length; ) {
      const line = lines[at];
      if (line === undefined) break;
      if (line.in?.["concurrentWith"] !== undefined) {
        let end = at;
        while (lines[end]?.in?.["concurrentWith"] !== undefined) end += 1;
        await this.#atOnce(lines.slice(at, end));
        at = end;
      } else {
        if (line.call.startsWith("@")) await this.#event(line, lines.slice(at + 1));
        else await this.#one(line, lines.slice(at + 1));
        at += 1;
      }
    }
  }

  async endProcesses(): Promise<void> {
    for (const { player } of this.#processes.values()) await player.kill();
    this.#processes.clear();
  }

  async #process(name: string | undefined): Promise<Process> {
    const key = name ?? "A";
    const running = this.#processes.get(key);
    if (running !== undefined) return running;
    const player = await Player.start({
      player: this.#environment.player,
      module: this.#environment.module,
      env: this.#card.env,
      timeout: this.#environment.timeout,
    });
    const started = { player, symbols: new Symbols() };
    this.#processes.set(key, started);
    return started;
  }

  async #event(line: RecordedLine, rest: readonly RecordedLine[]): Promise<void> {
    if (line.call === "@process_start") await this.#process(line.proc);
    else if (line.call === "@process_exit" || line.call === "@process_killed") {
      await this.#processes.get(line.proc ?? "A")?.player.kill();
      this.#processes.delete(line.proc ?? "A");
    } else if (line.call === "@thread_1_waits_blocking") {
      await this.#begin(rest.find((later) => later.thread === 1));
    } else if (line.call === "@finalize_while_thread_1_waits") {
      const waiting = rest.find((later) => later.thread === 1);
      if (waiting !== undefined) await this.#begin({ ...waiting, in: { flags: 0 } });
      await this.#begin(rest.find((later) => later.call === "C_Finalize"));
    } else {
      await this.#card.event(line.call, line.in ?? {});
      if (line.call === "@card_inserted")
        for (const { symbols } of this.#processes.values()) symbols.forgetObjects();
    }
  }

  /** Begins a call that a later line of the story ends. */
  async #begin(line: RecordedLine | undefined): Promise<void> {
    if (line === undefined) return;
    const { player, symbols } = await this.#process(line.proc);
    const command = encode(line, symbols, this.#slots);
    await new Promise<void>((started) => {
      const call = player.call(line.thread ?? 0, command, started);
      this.#pending.set(`${line.proc ?? "A"} ${line.thread ?? 0}`, call);
    });
  }

  /** Each lane in its order, the lanes beside each other. */
  async #atOnce(lines: readonly RecordedLine[]): Promise<void> {
    const lanes = new Map<string, RecordedLine[]>();
    for (const line of lines) {
      const key = `${line.proc ?? "A"} ${line.thread ?? 0}`;
      lanes.set(key, [...(lanes.get(key) ?? []), line]);
    }
    await Promise.all(
      [...lanes.values()].map(async (lane) => {
        const { symbols } = await this.#process(lane[0]?.proc);
        const own = symbols.fork();
        for (const line of lane) await this.#one(line, [], own);
      }),
    );
  }

  async #one(line: RecordedLine, rest: readonly RecordedLine[], own?: Symbols): Promise<void> {
    const process = await this.#process(line.proc);
    const { player } = process;
    const symbols = own ?? process.symbols;
    const lane = line.thread ?? 0;
    const key = `${line.proc ?? "A"} ${lane}`;
    const pending = this.#pending.get(key);
    this.#pending.delete(key);
    const object = line.in?.["object"];
    if (typeof object === "string")
      await settleSymbol(object, { player, symbols, lines: [line, ...rest], lane });
    const before = this.#card.apdus?.();
    const played = await (pending ?? player.call(lane, encode(line, symbols, this.#slots)));
    this.#calls += 1;
    this.#cost(line, before, this.#card.apdus?.());
    if (line.call === "C_Initialize" && played.rv === "0") symbols.startAgain();
    const differences = [...compareCall(line, played, this.#facts)];
    if (differences.length === 0 && played.crash === undefined && played.hang !== true) {
      if (line.call === "C_FindObjects" && line.rv === "CKR_OK") {
        differences.push(...compareSearch(line, played.out, symbols));
      } else differences.push(...this.#bind(line, played, symbols));
    }
    if (this.#onlyLastProcess && line.proc !== this.#lastProcess) return;
    for (const text of differences) {
      this.#differences.push({
        recording: recordingName(this.#story.file),
        story: this.#story.name,
        i: line.i,
        call: line.call,
        text,
      });
    }
  }

  #cost(line: RecordedLine, before: number | undefined, after: number | undefined): void {
    if (before === undefined || after === undefined || line.in?.["concurrentWith"] !== undefined) return;
    const recorded = line.apdus ?? 0;
    if (recorded === 0 && after === before) return;
    this.#withCost += 1;
    if (recorded === after - before) this.#sameCost += 1;
    else
      this.#costs.push(
        `${recordingName(this.#story.file)} ${this.#story.name} ${line.i} ${line.call}: ${after - before}, recorded ${recorded}`,
      );
  }

  /** Binds handles, sessions and slots that a call gave out; tells where a number 0 stands on one side only. */
  #bind(line: RecordedLine, played: PlayedCall, symbols: Symbols): readonly string[] {
    const { out } = line;
    const actual = played.out;
    if (out === undefined || line.rv !== "CKR_OK") return [];
    const differences: string[] = [];
    for (const member of ["handle", "pub", "priv", "session"]) {
      const symbol = out[member];
      if (typeof symbol !== "string") continue;
      const number = String(actual[member]);
      if ((number === "0") !== /^[hs]0$/.test(symbol)) {
        differences.push(`${member} ${number === "0" ? "0" : "not 0"}, recorded ${symbol}`);
      }
      if (number !== "0") symbols.bind(symbol, number);
    }
    if (isList(out["slots"]) && Array.isArray(actual["slots"])) {
      for (const [place, slot] of out["slots"].entries()) {
        const number = String(actual["slots"][place]);
        if (typeof slot === "string") this.#slots.bind(slot, number);
        else if (String(slot) !== number)
          differences.push(`slot ${number}, recorded ${JSON.stringify(slot)}`);
      }
    } else if (out["slot"] !== undefined && this.#slots.number(out["slot"]) !== String(actual["slot"])) {
      differences.push(`slot ${String(actual["slot"])}, recorded ${JSON.stringify(out["slot"])}`);
    }
    return differences;
  }
}
