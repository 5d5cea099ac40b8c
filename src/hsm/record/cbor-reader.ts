/**
 * Reads deterministic CBOR (RFC 8949, 4.2.1) item by item and accepts nothing else: shortest heads, definite
 * lengths, valid UTF-8, the few types that our formats use. The caller asks for the item that its format has at
 * that place, so that depth, order and number of keys are bounded by the format itself: what it accepts can only
 * encode again to the same bytes.
 *
 * Hand-written because a general decoder followed by a second encoding costs several times as much on the path of
 * every read; the tests hold it against a general decoder.
 */

const UINT = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const SIMPLE_TRUE = 0xf5;
const TWO_TO_32 = 0x1_0000_0000;

/** ignoreBOM: a leading U+FEFF is a character like any other, else the text would not encode again. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes are not what the format has at this place. The message names the offset, never content. */
export class CborError extends Error {
  override readonly name = "CborError";
  /** The bytes end where more were announced: what a write looks like that the power cut. */
  readonly cutShort: boolean;

  constructor(message: string, cutShort = false) {
    super(message);
    this.cutShort = cutShort;
  }
}

export class CborReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Throws unless everything has been read. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#error("end of data");
  }

  /** A number from 0 to 2^53 - 1. */
  uint(): number {
    return this.#head(UINT, "an integer");
  }

  true(): true {
    if (this.#bytes[this.#at] !== SIMPLE_TRUE) throw this.#error("true");
    this.#at += 1;
    return true;
  }

  /** Number of items that follow. */
  array(): number {
    return this.#head(ARRAY, "an array");
  }

  /** Number of pairs that follow. */
  map(): number {
    return this.#head(MAP, "a map");
  }

  /** A view of the bytes, not a copy. */
  bytes(): Buffer {
    const length = this.#head(BYTES, "a byte string");
    const end = this.#skip(length);
    return this.#bytes.subarray(end - length, end);
  }

  text(): string {
    const length = this.#head(TEXT, "a text");
    const end = this.#skip(length);
    const start = end - length;
    for (let i = start; i < end; i += 1) {
      if ((this.#bytes[i] as number) >= 0x80) return this.#wideText(start, end);
    }
    return this.#bytes.toString("latin1", start, end);
  }

  /** Reads the text if it is exactly this ASCII one, and says whether it was. Moves only then. */
  take(encodedText: Uint8Array): boolean {
    const at = this.#at;
    for (let i = 0; i < encodedText.length; i += 1) {
      if (this.#bytes[at + i] !== encodedText[i]) return false;
    }
    this.#at = at + encodedText.length;
    return true;
  }

  #wideText(start: number, end: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(start, end));
    } catch {
      throw this.#error("valid UTF-8");
    }
  }

  #skip(length: number): number {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.#error("more data", true);
    this.#at = end;
    return end;
  }

  #head(major: number, expected: string): number {
    const bytes = this.#bytes;
    const first = bytes[this.#at];
    if (first === undefined) throw this.#error(expected, true);
    if (first >> 5 !== major) throw this.#error(expected);
    const info = first & 0x1f;
    if (info < 24) {
      this.#at += 1;
      return info;
    }
    const width = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0;
    if (width === 0) throw this.#error(expected);
    if (this.#at + 1 + width > bytes.length) throw this.#error(expected, true);
    const at = this.#at + 1;
    const value =
      width === 8
        ? bytes.readUInt32BE(at) * TWO_TO_32 + bytes.readUInt32BE(at + 4)
        : bytes.readUIntBE(at, width);
    const least = width === 1 ? 24 : width === 2 ? 0x100 : width === 4 ? 0x1_0000 : TWO_TO_32;
    if (value < least || value > Number.MAX_SAFE_INTEGER) throw this.#error("a shortest head");
    this.#at = at + width;
    return value;
  }

  #error(expected: string, cutShort = false): CborError {
    return new CborError(`expected ${expected} at byte ${this.#at}`, cutShort);
  }
}

/** A short ASCII text as it stands in CBOR, for {@link CborReader.take}. */
export function encodedAscii(text: string): Uint8Array {
  if (text.length > 23) throw new RangeError("only texts of up to 23 characters have a head of one byte");
  return Uint8Array.of(0x60 + text.length, ...Buffer.from(text, "latin1"));
}
