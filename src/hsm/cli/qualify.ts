/** test-hsm qualify: what a token that somebody offers for it is good for. */
import { writeFile } from "node:fs/promises";
import { HsmError } from "../errors.ts";
import { openPkcs11Token } from "../pkcs11/token.ts";
import { createInAnotherProcess } from "../qualify/other-process.ts";
import type { Profile } from "../qualify/profile.ts";
import { qualify } from "../qualify/qualify.ts";
import { type ConnectOptions, selectorOf } from "./connect.ts";
import { readPin } from "./pin.ts";
import { printable, type Terminal } from "./terminal.ts";

export interface QualifyFlags {
  readonly out?: string;
  readonly mostBytes?: number;
  readonly mostObjects?: number;
}

/** Far beyond any limit that is looked for: nothing is refused before it reaches the token. */
const NO_LIMIT = 4 * 1024 * 1024;

export async function qualifyToken(
  options: ConnectOptions & { readonly json?: boolean },
  flags: QualifyFlags,
  terminal: Terminal,
): Promise<void> {
  const { module: modulePath } = options;
  const select = selectorOf(options);
  if (modulePath === undefined || select === undefined) {
    throw new HsmError("BadInput", "qualify wants --module, and --serial, --token-label or --slot.", {
      operation: "qualify",
    });
  }
  const pin = await readPin(options, terminal);
  try {
    const profile = await qualify({
      // Whoever opens a token wipes the PIN that it was given: each gets a copy.
      open: (verification) =>
        openPkcs11Token({
          modulePath,
          select,
          pin: Uint8Array.from(pin),
          partSize: NO_LIMIT,
          objectCapacity: NO_LIMIT,
          verification,
          allowFinalTry: options.allowFinalTry,
          lockDirectory: options.lockDir,
          stateDirectory: options.stateDir,
        }),
      otherProcess: (label, application) =>
        createInAnotherProcess({ modulePath, select, pin, label, application }),
      progress: (text) => terminal.stderr.write(`qualify: ${text}\n`),
      now: () => performance.now(),
      mostBytes: flags.mostBytes,
      mostObjects: flags.mostObjects,
    });
    const document = `${JSON.stringify(profile, undefined, 2)}\n`;
    if (flags.out !== undefined) await writeFile(flags.out, document);
    terminal.stdout.write(options.json === true ? document : shown(profile));
  } finally {
    pin.fill(0);
  }
}

function shown({ verdict, times, token }: Profile): string {
  const { partSize, objectCapacity, verification } = verdict.settings;
  const lines = [
    `${printable(token.manufacturer)} ${printable(token.model)}, ${printable(token.library)}`,
    ...verdict.sentences,
    ...(verdict.fit === "no"
      ? []
      : [
          `Use: --part-size ${partSize} --object-capacity ${objectCapacity} (writes proven by ${verification}).`,
        ]),
    ...Object.entries(times).map(([name, milliseconds]) => `  ${name}: ${milliseconds} ms`),
  ];
  return `${lines.join("\n")}\n`;
}
