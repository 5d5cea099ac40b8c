/** The PIN, from a file that few may read. It exists as bytes only and is wiped by whoever used it. */

import { open } from "node:fs/promises";
import { UsageError } from "./options.ts";

const LONGEST_PIN = 255;

/**
 * Reads the PIN; a newline at the end does not count. Rejects with one sentence that says nothing of the content.
 * The bytes are the caller's to wipe.
 */
export async function readPin(file: string): Promise<Uint8Array> {
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`The PIN file ${file} cannot be read (${error.code ?? error.name}).`, {
      cause: error,
    });
  });
  const buffer = Buffer.alloc(LONGEST_PIN + 3);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw new UsageError(`The PIN file ${file} is no file.`);
    if ((status.mode & 0o007) !== 0) {
      throw new UsageError(
        `The PIN file ${file} is open to everyone: take the rights of others away (chmod o=).`,
      );
    }
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    let length = bytesRead;
    if (length > 0 && buffer[length - 1] === 0x0a) length -= 1;
    if (length > 0 && buffer[length - 1] === 0x0d) length -= 1;
    if (length === 0) throw new UsageError(`The PIN file ${file} is empty.`);
    if (length > LONGEST_PIN) throw new UsageError(`The PIN file ${file} holds more than a PIN.`);
    // With a buffer of its own: a small array made otherwise lies in V8's heap, whose collector leaves copies.
    const pin = new Uint8Array(new ArrayBuffer(length));
    pin.set(buffer.subarray(0, length));
    return pin;
  } finally {
    buffer.fill(0);
    await handle.close();
  }
}
