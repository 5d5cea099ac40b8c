/** Flags of local mode. */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { LOG_LEVELS, type LogLevel } from "../telemetry/log.ts";

export interface LocalOptions {
  readonly state: string;
  readonly check: boolean;
  /** Seed of the kills during a check; absent: none. */
  readonly killSeed: number | undefined;
  readonly logLevel: LogLevel;
}

/** Flags that cannot be used: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export type ParsedArguments =
  | { readonly kind: "run"; readonly options: LocalOptions }
  | { readonly kind: "print"; readonly text: string };

const AFTER = `
Everything is kept below the state folder: the API server's objects, the token, certificates, logs (log/). The next
start comes back with it; delete the folder to begin anew.

Exit codes:
  0  stopped by Ctrl-C, or every step of the check passed
  1  something did not start, or a step of the check failed
  2  bad flags
`;

export function parseLocalArguments(argv: readonly string[]): ParsedArguments {
  const printed: string[] = [];
  const command = new Command("local")
    .description("Runs the whole operator on this machine: API server, SoftHSM2 token, agent and manager.")
    .option("--state <folder>", "where everything is kept", ".local")
    .option("--check", "plays the main job in a temporary folder, prints a line a step, and exits", false)
    .addOption(
      new Option(
        "--kill-seed <number>",
        "with --check: kills agent or manager at points chosen by this seed",
      ).argParser(wholeNumber),
    )
    .addOption(new Option("--log-level <level>", "of agent and manager").choices(LOG_LEVELS).default("info"))
    .addHelpText("after", AFTER)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => printed.push(text), writeErr: () => {} });
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "print", text: printed.join("") };
    throw new UsageError(`${error.message.replace(/^error: /, "")}; --help names the flags.`, {
      cause: error,
    });
  }
  const flags = command.opts<{ state: string; check: boolean; killSeed?: number; logLevel: LogLevel }>();
  if (flags.killSeed !== undefined && !flags.check) throw new UsageError("--kill-seed needs --check.");
  const { state, check, killSeed, logLevel } = flags;
  return { kind: "run", options: { state, check, killSeed, logLevel } };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}
