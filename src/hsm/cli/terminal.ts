/** Where a command reads and writes. Injected, so that nothing below touches the process itself. */

import { Buffer } from "node:buffer";

export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const CONTROL = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** Text of the token as it may be shown: whoever wrote it must not move the cursor of who reads it. */
export function printable(text: string): string {
  return text.replace(CONTROL, (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}

/** A value for people: text where it is text, else base64 that says so. */
export function shownValue(value: Uint8Array): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const text = bytes.toString("utf8");
  const plain = Buffer.from(text, "utf8").equals(bytes) && text.replaceAll(/[\n\t]/g, "").search(CONTROL) < 0;
  return plain ? text : `(binary, base64) ${bytes.toString("base64")}`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(line).join("\n");
}

/** Milliseconds before the first word on long work, and between two words where nobody watches a line change. */
const PATIENCE = 2_000;
const REPEAT = 5_000;

/** Says on stderr that work goes on, but only when it takes long. */
export async function withProgress<T>(terminal: Terminal, what: string, work: () => Promise<T>): Promise<T> {
  const { stderr } = terminal;
  const started = performance.now();
  let shown = false;
  const say = () => {
    const seconds = Math.round((performance.now() - started) / 1000);
    stderr.write(stderr.isTTY ? `\r${what} ... ${seconds} s` : `${what} ... ${seconds} s\n`);
    shown = true;
  };
  let repeat: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    say();
    repeat = setInterval(say, stderr.isTTY ? 1_000 : REPEAT);
  }, PATIENCE);
  try {
    return await work();
  } finally {
    clearTimeout(first);
    clearInterval(repeat);
    if (shown && stderr.isTTY) stderr.write("\r\x1b[K");
  }
}
