/** Where the PIN comes from: a file, a descriptor, or a prompt without echo. Never an argument, never the environment. */

import { readSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { HsmError } from "../errors.ts";
import type { Terminal } from "./terminal.ts";

const MAX_PIN_BYTES = 255;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const INTERRUPT = 0x03;
const END = 0x04;
const BACKSPACE = new Set([0x08, 0x7f]);

export interface PinSource {
  readonly pinFile?: string | undefined;
  readonly pinFd?: number | undefined;
}

/**
 * The caller wipes the result, or hands it to who does. `what` is shown at the prompt; a new PIN is asked for `twice`
 * there, because nobody sees what was typed.
 */
export async function readPin(
  source: PinSource,
  terminal: Terminal,
  what = "PIN",
  twice = false,
): Promise<Uint8Array> {
  if (source.pinFile !== undefined && source.pinFd !== undefined) {
    throw bad(`Give the ${what} by a file or by a descriptor, not by both.`);
  }
  if (source.pinFile !== undefined) return checked(await fromFile(source.pinFile));
  if (source.pinFd !== undefined) return checked(fromDescriptor(source.pinFd));
  if (!terminal.stdin.isTTY)
    throw bad(
      `A PIN is needed (${what}): give it by --${optionOf(what)}-file or --${optionOf(what)}-fd, or run this on a terminal.`,
    );
  const pin = checked(await fromPrompt(terminal, what));
  if (!twice) return pin;
  const again = checked(await fromPrompt(terminal, `${what} again`));
  const same = pin.length === again.length && pin.every((byte, i) => byte === again[i]);
  again.fill(0);
  if (same) return pin;
  pin.fill(0);
  throw bad("The two are not the same; nothing was done.");
}

function optionOf(what: string): string {
  if (what === "SO PIN") return "so-pin";
  return what === "New PIN" ? "new-pin" : "pin";
}

/** A line that may be seen, e.g. a confirmation. */
export async function readLine({ stdin, stderr }: Terminal, question: string): Promise<string> {
  stderr.write(question);
  let line = "";
  for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
    line += String(chunk);
    if (line.includes("\n")) break;
  }
  stdin.pause();
  return line.trim();
}

async function fromFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new HsmError("BadInput", `The PIN file cannot be read (${code}).`, { operation: "pin" });
  }
}

function fromDescriptor(fd: number): Buffer {
  const buffer = Buffer.alloc(MAX_PIN_BYTES + 3);
  let length = 0;
  try {
    for (;;) {
      const count = readSync(fd, buffer, length, buffer.length - length, null);
      if (count === 0) break;
      length += count;
      if (length === buffer.length || buffer.subarray(0, length).includes(NEWLINE)) break;
    }
  } catch (cause) {
    buffer.fill(0);
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new HsmError("BadInput", `The PIN cannot be read from descriptor ${fd} (${code}).`, {
      operation: "pin",
    });
  }
  return buffer.subarray(0, length);
}

/** Byte by byte in raw mode: a line reader would keep the PIN in strings and in its history. */
async function fromPrompt({ stdin, stderr }: Terminal, what: string): Promise<Buffer> {
  const pin = Buffer.alloc(MAX_PIN_BYTES + 1);
  let length = 0;
  stderr.write(`${what}: `);
  stdin.setRawMode(true);
  try {
    // A second prompt may follow: the stream stays open.
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      for (const byte of bytes) {
        if (byte === RETURN || byte === NEWLINE || byte === END) {
          bytes.fill(0);
          return pin.subarray(0, length);
        }
        if (byte === INTERRUPT) throw bad("Interrupted.");
        if (BACKSPACE.has(byte)) length = Math.max(0, length - 1);
        else if (length < pin.length) {
          pin[length] = byte;
          length += 1;
        }
      }
      bytes.fill(0);
    }
    return pin.subarray(0, length);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}

/** Takes one line end off, refuses what is no PIN, and wipes what it was read into. */
function checked(read: Buffer): Uint8Array {
  let end = read.indexOf(NEWLINE);
  if (end < 0) end = read.length;
  if (end > 0 && read[end - 1] === RETURN) end -= 1;
  // With a buffer of its own: a small array made otherwise lies in V8's heap, whose collector leaves copies.
  const pin = new Uint8Array(new ArrayBuffer(end));
  pin.set(read.subarray(0, end));
  read.fill(0);
  if (pin.length >= 1 && pin.length <= MAX_PIN_BYTES) return pin;
  pin.fill(0);
  throw bad(pin.length === 0 ? "The PIN is empty." : `The PIN is longer than ${MAX_PIN_BYTES} bytes.`);
}

function bad(message: string): HsmError {
  return new HsmError("BadInput", message, { operation: "pin" });
}
