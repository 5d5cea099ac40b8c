/** What local mode prints: lines that stay, and below them, on a terminal, one line that changes. */

export interface Terminal {
  write(text: string): void;
  readonly isTTY: boolean;
  /** Columns; absent where the output is no terminal. */
  readonly columns?: number | undefined;
}

export class Screen {
  readonly #out: Terminal;
  #status = "";

  constructor(out: Terminal) {
    this.#out = out;
  }

  line(text = ""): void {
    this.#clear();
    this.#out.write(`${text}\n`);
    this.#draw();
  }

  /** A step with its time, aligned: `   120 ms  started the agent`. */
  step(text: string, milliseconds: number): void {
    this.line(`${formatDuration(milliseconds).padStart(9)}  ${text}`);
  }

  /** Replaces the changing line; nothing happens where there is no terminal. */
  status(text: string): void {
    if (text === this.#status) return;
    this.#clear();
    this.#status = text;
    this.#draw();
  }

  #clear(): void {
    if (this.#out.isTTY && this.#status !== "") this.#out.write("\r\u001b[2K");
  }

  #draw(): void {
    if (!this.#out.isTTY || this.#status === "") return;
    // A line that wraps could not be taken back.
    this.#out.write(this.#status.slice(0, (this.#out.columns ?? 80) - 1));
  }
}

export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(milliseconds / 60_000);
  return `${minutes} min ${Math.floor((milliseconds % 60_000) / 1_000)} s`;
}

/** Whole seconds: the line changes once a second. */
export function formatUptime(milliseconds: number): string {
  return milliseconds < 60_000 ? `${Math.floor(milliseconds / 1_000)} s` : formatDuration(milliseconds);
}
