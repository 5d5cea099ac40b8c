/** The agent's flags: what it is told, checked before anything is opened. */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { DEVICE_TYPES, type DeviceType } from "../hsm/pkcs11/device-types.ts";
import type { TokenSelector } from "../hsm/pkcs11/token.ts";
import { isLogLevel, LOG_LEVELS, type LogLevel } from "../telemetry/log.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface AgentOptions {
  readonly client: "pkcs11" | "mock";
  readonly module: string | undefined;
  /** Guessed from what the token says of itself when absent. */
  readonly deviceType: DeviceType | undefined;
  /** Which token of the module; always there with a module. */
  readonly select: TokenSelector | undefined;
  readonly pinFile: string | undefined;
  readonly certificate: string;
  readonly key: string;
  readonly authorities: string;
  readonly poolUid: string;
  /** Name in the certificate of the manager that may call. */
  readonly manager: string;
  readonly listen: ListenAddress;
  readonly health: ListenAddress;
  readonly stateDirectory: string | undefined;
  readonly lockDirectory: string | undefined;
  readonly logLevel: LogLevel;
  /** Bytes; by the device's type when absent. */
  readonly maxPartSize: number | undefined;
  readonly objectCapacity: number | undefined;
  readonly historyLimit: number | undefined;
}

/** Something that the caller can mend: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export type ParsedArguments =
  | { readonly kind: "run"; readonly options: AgentOptions }
  /** `--help` or `--version`: print and end well. */
  | { readonly kind: "print"; readonly text: string };

const AFTER = `
Exit codes:
  0  stopped by a signal, after what was under way had ended
  1  failed while it ran
  2  bad flags, or a file or module that cannot be used
`;

/** Throws a UsageError with one sentence. `argv` is without the interpreter and the script. */
export function parseAgentArguments(argv: readonly string[]): ParsedArguments {
  const printed: string[] = [];
  const command = describeCommand()
    .exitOverride()
    .configureOutput({ writeOut: (text) => printed.push(text), writeErr: () => {} });
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "print", text: printed.join("") };
    throw new UsageError(sentence(error.message), { cause: error });
  }
  return { kind: "run", options: toOptions(command.opts<Flags>()) };
}

interface Flags {
  readonly client: "pkcs11" | "mock";
  readonly module?: string;
  readonly deviceType?: DeviceType;
  readonly tokenLabel?: string;
  readonly serial?: string;
  readonly slot?: number;
  readonly pinFile?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly poolUid?: string;
  readonly manager: string;
  readonly listen: ListenAddress;
  readonly health: ListenAddress;
  readonly stateDir?: string;
  readonly lockDir?: string;
  readonly logLevel: LogLevel;
  readonly maxPartSize?: number;
  readonly objectCapacity?: number;
  readonly historyLimit?: number;
}

function describeCommand(): Command {
  return new Command("agent")
    .description("Opens one PKCS#11 token and serves it to the manager over mutual TLS.")
    .option("--module <path>", "the PKCS#11 library, absolute")
    .addOption(
      new Option(
        "--device-type <type>",
        "chooses part size, capacity and how a write is proven; guessed when absent",
      ).choices(DEVICE_TYPES),
    )
    .addOption(new Option("--token-label <label>", "the token with this label").conflicts(["serial", "slot"]))
    .addOption(new Option("--serial <number>", "the token with this serial number").conflicts("slot"))
    .addOption(new Option("--slot <id>", "the token in this slot").argParser(wholeNumber(0)))
    .option("--pin-file <path>", "file that holds the PIN; nobody but owner and group may read it")
    .option("--cert <path>", "PEM certificate of this agent")
    .option("--key <path>", "PEM key of the certificate")
    .option("--ca <path>", "PEM authorities that managers are trusted by")
    .option("--pool-uid <uid>", "UID of the pool that the certificate was made for")
    .option("--manager <name>", "name in the certificate of the manager that may call", "manager")
    .addOption(address("--listen <address>", "where the manager is served", "127.0.0.1:9090"))
    .addOption(address("--health <address>", "where /livez and /readyz are served", "127.0.0.1:8093"))
    .option("--state-dir <path>", "folder that remembers refused PINs across restarts")
    .option("--lock-dir <path>", "folder of the lock that keeps a second agent off the token")
    .addOption(
      new Option(
        "--client <kind>",
        "mock keeps everything in memory, for tests; it is never chosen by itself",
      )
        .choices(["pkcs11", "mock"])
        .default("pkcs11"),
    )
    .addOption(
      new Option("--log-level <level>", `one of ${LOG_LEVELS.join(", ")}`)
        .default("info")
        .argParser(logLevel),
    )
    .addOption(new Option("--max-part-size <bytes>", "most bytes in one object").argParser(wholeNumber(256)))
    .addOption(new Option("--object-capacity <count>", "most objects on the token").argParser(wholeNumber(2)))
    .addOption(
      new Option("--history-limit <count>", "records kept behind the present one").argParser(wholeNumber(0)),
    )
    .addHelpText("after", AFTER)
    .allowExcessArguments(false);
}

function toOptions(flags: Flags): AgentOptions {
  if (flags.client === "pkcs11") {
    if (flags.module === undefined)
      throw new UsageError("--module is needed, the path of a PKCS#11 library.");
    if (!flags.module.startsWith("/")) throw new UsageError("--module must be an absolute path.");
    if (flags.pinFile === undefined) throw new UsageError("--pin-file is needed.");
    if (selectorOf(flags) === undefined) {
      throw new UsageError("One of --serial, --token-label and --slot is needed: which token of the module.");
    }
  } else if (flags.module !== undefined) {
    throw new UsageError("--module does nothing with --client mock, which uses no device.");
  }
  return {
    client: flags.client,
    module: flags.module,
    deviceType: flags.deviceType,
    select: selectorOf(flags),
    pinFile: flags.pinFile,
    certificate: needed(flags.cert, "--cert"),
    key: needed(flags.key, "--key"),
    authorities: needed(flags.ca, "--ca"),
    poolUid: needed(flags.poolUid, "--pool-uid"),
    manager: flags.manager,
    listen: flags.listen,
    health: flags.health,
    stateDirectory: flags.stateDir,
    lockDirectory: flags.lockDir,
    logLevel: flags.logLevel,
    maxPartSize: flags.maxPartSize,
    objectCapacity: flags.objectCapacity,
    historyLimit: flags.historyLimit,
  };
}

/** Not left to the parser: it would complain of these before it names a flag that nobody knows. */
function needed(value: string | undefined, flag: string): string {
  if (value === undefined) throw new UsageError(`${flag} is needed.`);
  return value;
}

function selectorOf(flags: Flags): TokenSelector | undefined {
  if (flags.serial !== undefined) return { serialNumber: flags.serial };
  if (flags.tokenLabel !== undefined) return { label: flags.tokenLabel };
  if (flags.slot !== undefined) return { slot: flags.slot };
  return undefined;
}

function address(flags: string, description: string, preset: string): Option {
  return new Option(flags, description).default(parseAddress(preset), preset).argParser(parseAddress);
}

/** `host:port`, the host of an IPv6 address in brackets. */
function parseAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) throw new InvalidArgumentError("It must be <host>:<port>.");
  return { host, port };
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number, ${least} or more.`);
  };
}

function logLevel(text: string): LogLevel {
  if (isLogLevel(text)) return text;
  throw new InvalidArgumentError(`It must be one of ${LOG_LEVELS.join(", ")}.`);
}

/** Commander's message as one sentence: `error: ...` without the prefix, with a capital and a full stop. */
function sentence(message: string): string {
  const text = message.replace(/^error: /, "").trim();
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(capital) ? capital : `${capital}.`;
}
