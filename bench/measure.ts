/** Runners in processes of their own, and the figures that a bench prints. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A program that speaks the protocol of runners/serve.ts. */
export class Runner {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  static async start(
    name: string,
    command: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): Promise<Runner> {
    const [file = "", ...args] = command;
    const child = spawn(file, args, {
      env: { ...process.env, ...environment },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const runner = new Runner(name, child);
    await runner.#answer();
    return runner;
  }

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    if (child.stdout === null) throw new Error("no pipe");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Microseconds, one an operation. */
  async run(operation: string, count: number): Promise<number[]> {
    this.#child.stdin?.write(`${operation} ${count}\n`);
    return (await this.#answer()).trim().split(" ").map(Number);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }

  async #answer(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`${this.name} ended early`);
    return line.value;
  }
}

export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

export interface Row {
  readonly objects: number;
  readonly operation: string;
  readonly through: string;
  readonly samples: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly perSecond: number;
}

export function rowOf(objects: number, operation: string, through: string, samples: readonly number[]): Row {
  const total = samples.reduce((sum, sample) => sum + sample, 0);
  return {
    objects,
    operation,
    through,
    samples: samples.length,
    p50: round(quantile(samples, 0.5)),
    p95: round(quantile(samples, 0.95)),
    p99: round(quantile(samples, 0.99)),
    perSecond: Math.round((samples.length / total) * 1e6),
  };
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

export function printTable(rows: readonly Row[]): void {
  const cells = rows.map((row) => [
    String(row.objects),
    row.operation,
    row.through,
    String(row.samples),
    row.p50.toFixed(1),
    row.p95.toFixed(1),
    row.p99.toFixed(1),
    String(row.perSecond),
  ]);
  const head = ["objects", "operation", "through", "n", "p50 us", "p95 us", "p99 us", "per second"];
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => (row[i] ?? "").length)));
  for (const row of [head, ...cells]) {
    const line = row.map((cell, i) =>
      i === 1 || i === 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    );
    process.stdout.write(`${line.join("  ")}\n`);
  }
}
