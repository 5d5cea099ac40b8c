/** The flags of discovery: what it is told, checked before anything is opened. */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { isLogLevel, LOG_LEVELS, type LogLevel } from "../telemetry/log.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface DiscoveryOptions {
  readonly kubeconfig: string | undefined;
  readonly nodeName: string;
  readonly podName: string;
  /** The operator's namespace: HSMDevices count there only. */
  readonly podNamespace: string;
  readonly sysfsRoot: string;
  readonly devRoot: string;
  readonly health: ListenAddress | undefined;
  /** Seconds. */
  readonly heartbeat: number;
  readonly logLevel: LogLevel;
}

/** Something that the caller can mend: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "USAGE";
}

export type ParsedArguments =
  | { readonly kind: "run"; readonly options: DiscoveryOptions }
  /** `--help`: print and end well. */
  | { readonly kind: "print"; readonly text: string };

const AFTER = `
In a pod, NODE_NAME, POD_NAME and POD_NAMESPACE stand in for the flags of these names (downward API).

Exit codes:
  0  stopped by a signal
  1  failed while it ran
  2  bad flags, or a kubeconfig that cannot be used
`;

interface Flags {
  readonly kubeconfig?: string;
  readonly nodeName?: string;
  readonly podName?: string;
  readonly podNamespace?: string;
  readonly sysfsRoot: string;
  readonly devRoot: string;
  readonly healthAddress?: ListenAddress;
  readonly heartbeat: number;
  readonly logLevel: LogLevel;
}

/** Throws a UsageError with one sentence. `argv` is without the interpreter and the script. */
export function parseDiscoveryArguments(argv: readonly string[]): ParsedArguments {
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
  const flags = command.opts<Flags>();
  return {
    kind: "run",
    options: {
      kubeconfig: flags.kubeconfig,
      nodeName: needed(flags.nodeName, "--node-name"),
      podName: needed(flags.podName, "--pod-name"),
      podNamespace: needed(flags.podNamespace, "--pod-namespace"),
      sysfsRoot: flags.sysfsRoot,
      devRoot: flags.devRoot,
      health: flags.healthAddress,
      heartbeat: flags.heartbeat,
      logLevel: flags.logLevel,
    },
  };
}

function describeCommand(): Command {
  return new Command("discovery")
    .description("Finds PKCS#11 devices on this node and reports them in an annotation of its own pod.")
    .addOption(new Option("--node-name <name>", "the node that this runs on").env("NODE_NAME"))
    .addOption(new Option("--pod-name <name>", "the pod that this runs in").env("POD_NAME"))
    .addOption(
      new Option("--pod-namespace <name>", "its namespace, where HSMDevices are").env("POD_NAMESPACE"),
    )
    .option("--kubeconfig <path>", "how to reach the API server; in a pod its service account, unless given")
    .addOption(folder("--sysfs-root <path>", "where the host's /sys is seen", "/sys"))
    .addOption(folder("--dev-root <path>", "where the host's /dev is seen", "/dev"))
    .addOption(
      new Option(
        "--health-address <address>",
        "where /livez and /readyz are served; nowhere unless given",
      ).argParser(address),
    )
    .addOption(
      new Option("--heartbeat <seconds>", "most time between two reports that say the same")
        .default(120)
        .argParser(heartbeat),
    )
    .addOption(
      new Option("--log-level <level>", `one of ${LOG_LEVELS.join(", ")}`)
        .default("info")
        .argParser(logLevel),
    )
    .addHelpText("after", AFTER)
    .allowExcessArguments(false);
}

/** Not left to the parser: it would complain of these before it names a flag that nobody knows. */
function needed(value: string | undefined, flag: string): string {
  if (value === undefined || value === "") throw new UsageError(`${flag} is needed.`);
  return value;
}

function folder(flags: string, description: string, preset: string): Option {
  return new Option(flags, description).default(preset).argParser((text: string) => {
    if (!text.startsWith("/")) throw new InvalidArgumentError("It must be an absolute path.");
    return text.length > 1 ? text.replace(/\/+$/, "") : text;
  });
}

function address(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError("It must be host:port, e.g. 0.0.0.0:8081.");
  }
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" ? "0.0.0.0" : host, port };
}

/** The manager waits 15 minutes at most for a report, two and a half heartbeats of 6. */
function heartbeat(text: string): number {
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < 10 || seconds > 360) {
    throw new InvalidArgumentError("It must be a whole number of seconds from 10 to 360.");
  }
  return seconds;
}

function logLevel(text: string): LogLevel {
  if (isLogLevel(text)) return text;
  throw new InvalidArgumentError(`It must be one of ${LOG_LEVELS.join(", ")}.`);
}

/** Commander's message as one sentence: `error: ...` without the prefix, with a capital and a full stop. */
function sentence(message: string): string {
  const text = message.replace(/^error: /, "").trim();
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!)]$/.test(capital) ? capital : `${capital}.`;
}
