/** The other process of qualify: a line of JSON and the PIN on standard input, one object created, exit code 0. */
import { join } from "node:path";
import { openPkcs11Token, type TokenSelector } from "../pkcs11/token.ts";
import { create, pattern } from "./play.ts";

interface Input {
  readonly modulePath: string;
  readonly select: TokenSelector;
  readonly label: string;
  readonly application: string;
  readonly folder: string;
}

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const input = Buffer.concat(chunks);
for (const chunk of chunks) chunk.fill(0);
const end = input.indexOf(0x0a);
const request = JSON.parse(input.subarray(0, end).toString("utf8")) as Input;
const pin = Uint8Array.from(input.subarray(end + 1));
input.fill(0);
const token = await openPkcs11Token({
  modulePath: request.modulePath,
  select: request.select,
  pin,
  lockDirectory: join(request.folder, "locks"),
  stateDirectory: join(request.folder, "state"),
});
const made = await create(token, {
  label: request.label,
  application: request.application,
  value: pattern(64, 3),
});
await token.close();
if ("error" in made) {
  process.stderr.write(`${made.error.message}\n`);
  process.exitCode = 1;
}
