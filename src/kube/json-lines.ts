/** Splits a stream into lines, as watches send them: one JSON object a line, of any size, cut anywhere. */

import { StringDecoder } from "node:string_decoder";

/** A last line without its end is not given: the stream broke in the middle of it. */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new StringDecoder("utf8");
  // Pieces of the line that is not whole yet; joined once, so that a line of megabytes costs no quadratic copying.
  let parts: string[] = [];
  for await (const piece of pieces) {
    const text = decoder.write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      parts.push(text.slice(start, end));
      const line = parts.join("").trim();
      parts = [];
      start = end + 1;
      if (line !== "") yield line;
    }
    if (start < text.length) parts.push(text.slice(start));
  }
}
