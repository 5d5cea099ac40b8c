/**
 * What every runner speaks: "ready" when it is, then for each line "OPERATION COUNT" on standard input one line with
 * the microseconds that every single operation took.
 */
import { createInterface } from "node:readline";

type Operations = Readonly<Record<string, () => unknown>>;
/** These answer a whole line by themselves. */
type WholeOperations = Readonly<Record<string, (count: number) => Promise<number[]>>>;

export async function serve(operations: Operations, whole: WholeOperations = {}): Promise<void> {
  process.stdout.write("ready\n");
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = "", count = "0"] = line.split(" ");
    const samples = await (whole[name]?.(Number(count)) ?? measure(operations[name], name, Number(count)));
    process.stdout.write(`${samples.map((sample) => sample.toFixed(2)).join(" ")}\n`);
  }
}

async function measure(
  operation: (() => unknown) | undefined,
  name: string,
  count: number,
): Promise<number[]> {
  if (operation === undefined) throw new Error(`unknown operation ${name}`);
  const samples: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const begun = process.hrtime.bigint();
    const pending = operation();
    if (pending instanceof Promise) await pending;
    samples.push(Number(process.hrtime.bigint() - begun) / 1000);
  }
  return samples;
}
