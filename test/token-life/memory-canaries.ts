/**
 * Opens a token, writes and reads, closes, and looks for canaries in its own memory. They are made of bytes that stand
 * masked in this program, so that neither its text nor its strings hold them.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { loadAddon } from "../../src/addon.ts";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";

const MASK = 0x55;
const place = JSON.parse(process.argv[2] ?? "") as Record<"modulePath" | "serialNumber" | "folder", string>;

/** `length` bytes that nothing else holds, masked. */
function canary(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((seed * (i + 3) * 37) & 0x7f) ^ MASK ^ 0x2a);
}
/** Outside of V8's heap: arrays of up to 64 bytes live in it otherwise, are moved, and leave what they were. */
function unmask(masked: Uint8Array): Uint8Array {
  const plain = new Uint8Array(new ArrayBuffer(masked.length));
  for (const [i, byte] of masked.entries()) plain[i] = byte ^ MASK;
  return plain;
}

const MASKED_VALUE = canary(11, 64);
const MASKED_CONTROL = canary(23, 64);
/** The test tokens' PIN. */
const MASKED_PIN = Uint8Array.of(0x63, 0x61, 0x6d, 0x67, 0x64, 0x6c);

const addon = loadAddon();
addon.disableCoreDumps();
const token = await openPkcs11Token({
  modulePath: place.modulePath,
  select: { serialNumber: place.serialNumber },
  pin: unmask(MASKED_PIN),
  lockDirectory: join(place.folder, "locks"),
  stateDirectory: join(place.folder, "state"),
});
const value = unmask(MASKED_VALUE);
const [made] = await token.apply([{ kind: "create", label: "canary", application: "test", value }]);
value.fill(0);
if (made?.kind !== "created") throw new Error("not created");
const [read] = await token.read([made.id]);
if (read === undefined || !("value" in read)) throw new Error("not read");
read.value.fill(0);
await token.close();
const control = unmask(MASKED_CONTROL);

/** Whether the bytes stand anywhere in memory that can be written: each place is looked at masked, in pieces. */
function inMemory(masked: Uint8Array): boolean {
  const memory = openSync("/proc/self/mem", "r");
  try {
    for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
      if (match === null || line.includes("[v")) continue;
      const [from, to] = [Number.parseInt(match[1] ?? "", 16), Number.parseInt(match[2] ?? "", 16)];
      if (to - from > 256 * 1024 * 1024) continue;
      if (found(memory, from, to, masked)) return true;
    }
    return false;
  } finally {
    closeSync(memory);
  }
}

const piece = new Uint8Array(1024 * 1024);
function found(memory: number, from: number, to: number, masked: Uint8Array): boolean {
  for (let at = from; at < to; at += piece.length - masked.length) {
    let length = 0;
    try {
      length = readSync(memory, piece, 0, Math.min(piece.length, to - at), at);
    } catch {
      return false; // A guard page, or unmapped since.
    }
    // Masked at once: this buffer is memory too.
    for (let i = 0; i < length; i += 1) piece[i] = (piece[i] ?? 0) ^ MASK;
    const hit = Buffer.from(piece.buffer, 0, length).includes(Buffer.from(masked));
    piece.fill(0, 0, length);
    if (hit) return true;
  }
  return false;
}

const result = {
  control: inMemory(MASKED_CONTROL),
  pin: inMemory(MASKED_PIN),
  value: inMemory(MASKED_VALUE),
  coreLimit: /Max core file size\s+(\S+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1],
  undumpable: addon.disableCoreDumps(),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(control.length === 0 ? 1 : 0);
