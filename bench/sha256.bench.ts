/**
 * SHA-256 of the addon against node:crypto's `hash()`, in alternating turns of one run; of each, the faster of its
 * hexadecimal and its binary output counts. Only ratios count: machines differ, and so do minutes.
 */
import * as crypto from "node:crypto";
import { loadAddon } from "../src/addon.ts";
import { quantile, round } from "./measure.ts";

const quick = process.env["HSM_BENCH_QUICK"] === "1";
const SIZES = [64, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20, 16 << 20];
/** From this size on the ratio must hold; below, the crossing is most of the cost. */
const SMALLEST_COUNTED = 1 << 10;
const TURNS = quick ? 15 : 60;
const BYTES_A_TURN = 2 << 20;
const BATCH = 1000;

type Hash = (algorithm: string, data: Uint8Array, encoding: "hex" | "buffer") => unknown;
const hash = (crypto as unknown as { hash?: Hash }).hash;
const addon = loadAddon();

interface Compared {
  readonly bytes: number;
  readonly through: string;
  /** Nanoseconds a message, median. */
  readonly p50: number;
}

function main(): void {
  if (hash === undefined) throw new Error("This Node has no crypto.hash(): 20.12 or newer is needed.");
  const rows: Compared[] = [];
  const ratios: number[] = [];
  for (const bytes of SIZES) {
    const data = crypto.randomBytes(bytes);
    const count = Math.max(1, Math.min(2000, Math.floor(BYTES_A_TURN / bytes)));
    const turns = takeTurns(
      {
        "node hex": () => hash("sha256", data, "hex"),
        "node buffer": () => hash("sha256", data, "buffer"),
        "addon hex": () => addon.sha256Hex(data),
        "addon bytes": () => addon.sha256(data),
      },
      count,
    );
    const ratio = ratioOf(turns, "node", "addon");
    if (bytes >= SMALLEST_COUNTED) ratios.push(ratio);
    for (const [through, samples] of turns) rows.push({ bytes, through, p50: round(quantile(samples, 0.5)) });
    print(`${bytes} B`, turns, ratio);
  }
  const messages = Array.from({ length: BATCH }, () => crypto.randomBytes(64));
  const batch = takeTurns(
    {
      "node hex": () => messages.map((each) => hash("sha256", each, "hex")),
      "node buffer": () => messages.map((each) => hash("sha256", each, "buffer")),
      "addon batch": () => addon.sha256Batch(messages),
    },
    1,
  );
  const batchRatio = ratioOf(batch, "node", "addon");
  for (const [through, samples] of batch) {
    rows.push({ bytes: 64, through: `${through}, ${BATCH}`, p50: round(quantile(samples, 0.5) / BATCH) });
  }
  print(`${BATCH} messages of 64 B`, batch, batchRatio);
  const result = { sha256_vs_node_min: Math.min(...ratios), sha256_batch64_vs_node: batchRatio };
  process.stdout.write(`${JSON.stringify({ bench: "sha256", ratios: result, rows })}\n`);
}

function takeTurns(ways: Readonly<Record<string, () => unknown>>, count: number): Map<string, number[]> {
  const samples = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]));
  for (let turn = -3; turn < TURNS; turn += 1) {
    for (const [name, way] of Object.entries(ways)) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < count; i += 1) way();
      const nanoseconds = Number(process.hrtime.bigint() - start) / count;
      if (turn >= 0) samples.get(name)?.push(nanoseconds); // the first turns warm up
    }
  }
  return samples;
}

/** The median over the turns of (the faster way of `above`) / (the faster way of `below`): what disturbs a turn disturbs both. */
function ratioOf(samples: ReadonlyMap<string, number[]>, above: string, below: string): number {
  const fastest = (prefix: string): number[] => {
    const ways = [...samples].filter(([name]) => name.startsWith(prefix)).map(([, values]) => values);
    ways.sort((a, b) => quantile(a, 0.5) - quantile(b, 0.5));
    return ways[0] ?? [];
  };
  const denominators = fastest(below);
  return round(
    quantile(
      fastest(above).map((value, i) => value / (denominators[i] ?? Number.NaN)),
      0.5,
    ),
  );
}

function print(title: string, samples: ReadonlyMap<string, number[]>, ratio: number): void {
  const cells = [...samples].map(
    ([name, values]) => `${name} ${(quantile(values, 0.5) / 1000).toFixed(2)} us`,
  );
  process.stdout.write(`${title.padEnd(24)} ${cells.join("  ")}  ratio ${ratio.toFixed(2)}\n`);
}

main();
