/** The manager's flags: what it is told, checked before anything is opened. */

import { hostname } from "node:os";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { isLogLevel, LOG_LEVELS, type LogLevel } from "../../telemetry/log.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface ManagerOptions {
  readonly kubeconfig: string | undefined;
  readonly namespace: string;
  /** Name of the discovery DaemonSet in that namespace: the reports of its pods make the pools. */
  readonly discoveryDaemonSet: string;
  /** Namespaces to watch; all of them when absent. */
  readonly watchNamespaces: readonly string[] | undefined;
  /** Absent only with the mock client. */
  readonly agentsFile: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly authorities: string | undefined;
  readonly client: "agents" | "mock";
  readonly metrics: ListenAddress | undefined;
  readonly health: ListenAddress | undefined;
  readonly logLevel: LogLevel;
  readonly workers: number;
  readonly instance: string;
  readonly leaderElect: boolean;
  /** Unique among the replicas. */
  readonly identity: string;
}

/** Something that the caller can mend: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "USAGE";
}

export type ParsedArguments =
  | { readonly kind: "run"; readonly options: ManagerOptions }
  /** `--help`: print and end well. */
  | { readonly kind: "print"; readonly text: string };

const AFTER = `
The file of --agents is JSON:
  {"devices": [{"name": "demo", "agents": [
    {"serialNumber": "DENK0100001", "poolUid": "2f6c...", "address": "127.0.0.1:9090"}]}],
   "tls": {"certificate": "manager.crt", "key": "manager.key", "authorities": "ca.crt"}}
poolUid is the device's name unless given; tls stands in for --cert, --key and --ca.

Exit codes:
  0  stopped by a signal, after what was under way had ended
  1  failed while it ran
  2  bad flags, or a file that cannot be used
`;

interface Flags {
  readonly kubeconfig?: string;
  readonly namespace: string;
  readonly discoveryDaemonSet: string;
  readonly watchNamespace?: readonly string[];
  readonly agents?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly client: "agents" | "mock";
  readonly metricsAddress?: ListenAddress;
  readonly healthAddress?: ListenAddress;
  readonly metrics?: ListenAddress;
  readonly health?: ListenAddress;
  readonly logLevel: LogLevel;
  readonly workers: number;
  readonly instance: string;
  readonly leaderElect?: boolean;
  readonly identity?: string;
}

/** Throws a UsageError with one sentence. `argv` is without the interpreter and the script. */
export function parseManagerArguments(argv: readonly string[]): ParsedArguments {
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

function describeCommand(): Command {
  return new Command("manager")
    .description("Keeps secrets on PKCS#11 devices and Kubernetes Secrets in agreement.")
    .option("--kubeconfig <path>", "how to reach the API server; in a pod its service account, unless given")
    .option("--namespace <name>", "the operator's own namespace", "hsm-system")
    .option(
      "--discovery-daemon-set <name>",
      "the DaemonSet whose pods report devices, in the operator's namespace",
      "hsm-discovery",
    )
    .option("--watch-namespace <name...>", "serve only these namespaces; all of them unless given")
    .option("--agents <path>", "file that names the devices and their agents")
    .option("--cert <path>", "PEM certificate that proves the manager to agents")
    .option("--key <path>", "PEM key of the certificate")
    .option("--ca <path>", "PEM authorities that agents are trusted by")
    .addOption(
      new Option(
        "--client <kind>",
        "mock keeps everything in memory, for tests; it is never chosen by itself",
      )
        .choices(["agents", "mock"])
        .default("agents"),
    )
    .addOption(address("--metrics-address <address>", "where /metrics is served; nowhere unless given"))
    .addOption(
      address("--health-address <address>", "where /livez and /readyz are served; nowhere unless given"),
    )
    .addOption(address("--metrics <address>", "same as --metrics-address").hideHelp())
    .addOption(address("--health <address>", "same as --health-address").hideHelp())
    .addOption(
      new Option("--log-level <level>", `one of ${LOG_LEVELS.join(", ")}`)
        .default("info")
        .argParser(logLevel),
    )
    .addOption(new Option("--workers <count>", "HSMSecrets synced at a time").default(8).argParser(workers))
    .option("--instance <name>", "name of this instance, for spec.parentRef", "hsm-secrets-operator")
    .option("--leader-elect", "work only while holding a Lease, for several replicas")
    .option("--identity <name>", "unique among the replicas; host name and process id unless given")
    .addHelpText("after", AFTER)
    .allowExcessArguments(false);
}

function toOptions(flags: Flags): ManagerOptions {
  if (flags.client === "agents" && flags.agents === undefined) {
    throw new UsageError("--agents is needed: the file that names the devices and their agents.");
  }
  const watch = flags.watchNamespace;
  return {
    kubeconfig: flags.kubeconfig,
    namespace: flags.namespace,
    discoveryDaemonSet: flags.discoveryDaemonSet,
    watchNamespaces: watch === undefined || watch.length === 0 ? undefined : watch,
    agentsFile: flags.agents,
    certificate: flags.cert,
    key: flags.key,
    authorities: flags.ca,
    client: flags.client,
    metrics: flags.metricsAddress ?? flags.metrics,
    health: flags.healthAddress ?? flags.health,
    logLevel: flags.logLevel,
    workers: flags.workers,
    instance: flags.instance,
    leaderElect: flags.leaderElect ?? false,
    identity: flags.identity ?? `${hostname()}-${process.pid}`,
  };
}

function address(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text): ListenAddress => {
    const match = /^(?:(?<host>[^:]*|\[[^\]]+\]):)?(?<port>[0-9]{1,5})$/.exec(text);
    const port = Number(match?.groups?.["port"]);
    if (match === null || port > 65_535) {
      throw new InvalidArgumentError("It must be host:port, e.g. 127.0.0.1:8080.");
    }
    const host = (match.groups?.["host"] ?? "").replace(/^\[|\]$/g, "");
    return { host: host === "" ? "0.0.0.0" : host, port };
  });
}

function workers(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 256) {
    throw new InvalidArgumentError("It must be a whole number from 1 to 256.");
  }
  return count;
}

function logLevel(text: string): LogLevel {
  if (!isLogLevel(text)) throw new InvalidArgumentError(`It must be one of ${LOG_LEVELS.join(", ")}.`);
  return text;
}

/** Commander's `error: unknown option '--x'` as a sentence. */
function sentence(message: string): string {
  const text = message
    .replace(/^error: /, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!)]$/.test(text) ? "" : "."}`;
}
