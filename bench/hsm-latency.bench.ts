/**
 * What a secret costs on SoftHSM2, where the token itself is quick enough to show what stands before it.
 *
 * Four ways side by side, each in a process of its own on a copy of the same token, in alternating turns of one run:
 * `c` (by handle from C: the limit), `pkcs11js` (search by label), `addon` and `agent` (mutual TLS, loopback). Only
 * ratios count: machines differ, and so do minutes.
 */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeSoftHsmToken, type SoftHsmToken } from "../test/softhsm.ts";
import { printTable, quantile, type Row, Runner, round, rowOf } from "./measure.ts";
import { fill, type Place } from "./runners/store.ts";

const here = dirname(fileURLToPath(import.meta.url));
const quick = process.env["HSM_BENCH_QUICK"] === "1";
const SIZES = [10, 100, 1000];
const ROUNDS = quick ? 3 : 10;
/** Operations a turn: dear ones are asked for less often. */
const READS = quick ? 50 : 200;
const SEARCHES = quick ? 5 : 20;
const WRITES = quick ? 2 : 3;
const LOOP_MILLISECONDS = quick ? 1_000 : 10_000;

type Samples = Map<string, number[][]>;

interface Measured {
  readonly rows: Row[];
  /** Of each way and operation, the samples of each turn. */
  readonly samples: Samples;
  readonly loopDelay: number | undefined;
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  let last: Measured | undefined;
  for (const size of SIZES) {
    process.stderr.write(`[hsm-latency] ${size} objects\n`);
    last = await measure(size);
    rows.push(...last.rows);
  }
  if (last === undefined) return;
  const { samples } = last;
  const ratios = {
    raw_read_vs_c: ratio(samples, "addon raw_read", "c read"),
    read_path_vs_c: ratio(samples, "addon read", "c read"),
    read_path_vs_pkcs11js_1000: ratio(samples, "pkcs11js read", "addon read"),
    loop_delay_p999_ms: last.loopDelay,
  };
  printTable(rows);
  process.stdout.write(`${JSON.stringify({ bench: "hsm-latency", ratios, rows })}\n`);
}

/** The median over the turns of how the medians of one turn compare: what disturbs a turn disturbs both. */
function ratio(samples: Samples, above: string, below: string): number {
  const denominators = samples.get(below) ?? [];
  const ratios = (samples.get(above) ?? []).map(
    (turn, i) => quantile(turn, 0.5) / quantile(denominators[i] ?? [], 0.5),
  );
  return round(quantile(ratios, 0.5));
}

async function measure(size: number): Promise<Measured> {
  const token = await makeSoftHsmToken();
  const runners: Runner[] = [];
  const copies: string[] = [];
  try {
    await fill(placeOf(token, token.folder), size);
    for (const [name, command] of Object.entries(commands())) {
      const folder = `${token.folder}-${name}`;
      copies.push(folder);
      const environment = await copyToken(token, folder);
      const { modulePath, serialNumber, pinFile } = placeOf(token, folder);
      runners.push(await Runner.start(name, [...command, modulePath, serialNumber, pinFile], environment));
    }
    const samples = await takeTurns(runners);
    const rows = [...samples].map(([key, turns]) => {
      const [through = "", operation = ""] = key.split(" ");
      return rowOf(size, operation, through, turns.flat());
    });
    const loopDelay = size === SIZES.at(-1) ? await measureLoop(runners) : undefined;
    return { rows, samples, loopDelay };
  } finally {
    for (const runner of runners) await runner.stop();
    for (const folder of copies) await rm(folder, { recursive: true, force: true });
    await token.dispose();
  }
}

function commands(): Record<string, readonly string[]> {
  const node = [process.execPath, "--import", "tsx"];
  return {
    c: [join(here, "..", ".cache", "bench", "by-handle")],
    pkcs11js: [...node, join(here, "runners", "pkcs11js.mjs")],
    addon: [...node, join(here, "runners", "addon.ts")],
    agent: [...node, join(here, "runners", "agent.ts")],
  };
}

function placeOf(token: SoftHsmToken, folder: string): Place {
  return {
    modulePath: token.modulePath,
    serialNumber: token.serialNumber,
    pinFile: join(folder, "pin"),
  };
}

async function copyToken(token: SoftHsmToken, folder: string): Promise<{ SOFTHSM2_CONF: string }> {
  await cp(token.folder, folder, { recursive: true });
  const configPath = join(folder, "softhsm2.conf");
  const config = await readFile(configPath, "utf8");
  await writeFile(configPath, config.replaceAll(token.folder, folder));
  return { SOFTHSM2_CONF: configPath };
}

async function takeTurns(runners: readonly Runner[]): Promise<Samples> {
  const samples: Samples = new Map();
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const operation of ["read", "raw_read", "list", "create", "raw_create", "destroy", "raw_destroy"]) {
      for (const runner of runners) {
        if (operation.startsWith("raw_") && runner.name !== "addon") continue;
        const count = countOf(runner.name, operation);
        // The first round warms up: an agent that has run for a minute is what counts, not one just started.
        if (round === 0) {
          await runner.run(operation, count >= READS ? 10 * count : count);
          continue;
        }
        const turn = await runner.run(operation, count);
        const key = `${runner.name} ${operation}`;
        samples.set(key, [...(samples.get(key) ?? []), turn]);
      }
    }
  }
  return samples;
}

function countOf(name: string, operation: string): number {
  if (operation === "raw_read") return READS;
  if (operation === "read") return name === "pkcs11js" ? SEARCHES : READS;
  return WRITES;
}

/** Milliseconds that HSM calls add to the event loop's delay, p99.9. */
async function measureLoop(runners: readonly Runner[]): Promise<number | undefined> {
  const addon = runners.find((runner) => runner.name === "addon");
  if (addon === undefined) return undefined;
  const [idle = Number.NaN] = await addon.run("loop_idle", LOOP_MILLISECONDS);
  const [busy = Number.NaN] = await addon.run("loop_busy", LOOP_MILLISECONDS);
  return round(busy - idle);
}

await main();
