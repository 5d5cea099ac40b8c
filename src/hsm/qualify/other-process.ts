/** A process beside this one that opens the same token: what other programs do to us, and we to them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HsmError } from "../errors.ts";
import type { TokenSelector } from "../pkcs11/token.ts";

export interface OtherRequest {
  readonly modulePath: string;
  readonly select: TokenSelector;
  /** Goes through a pipe; neither an argument nor the environment shows it. */
  readonly pin: Uint8Array;
  readonly label: string;
  readonly application: string;
}

export async function createInAnotherProcess(request: OtherRequest): Promise<void> {
  // A lock of its own: this process holds the token's.
  const folder = await mkdtemp(join(tmpdir(), "hsm-qualify-"));
  try {
    const kind = extname(fileURLToPath(import.meta.url));
    const program = fileURLToPath(new URL(`./other-main${kind}`, import.meta.url));
    const loader = kind === ".ts" ? ["--import", "tsx"] : [];
    const child = spawn(process.execPath, [...loader, program], { stdio: ["pipe", "ignore", "pipe"] });
    const closed = once(child, "close");
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    // A program that fails at once does not read what it is given.
    child.stdin.on("error", () => {});
    const { pin, ...rest } = request;
    const head = Buffer.from(`${JSON.stringify({ ...rest, folder })}\n`);
    child.stdin.write(head);
    const secret = Buffer.from(pin);
    child.stdin.end(secret, () => secret.fill(0));
    const [code] = (await closed) as [number | null];
    if (code !== 0) {
      throw new HsmError("Internal", `The other process failed: ${errors.trim().split("\n").at(-1) ?? ""}`, {
        operation: "qualify",
      });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
