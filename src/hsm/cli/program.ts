/** The command line of test-hsm: flags in, one call out. */

import { Command, CommanderError, InvalidArgumentError } from "commander";
import { HsmError, isHsmError } from "../errors.ts";
import { DEVICE_TYPES } from "../pkcs11/device-types.ts";
import { readKeys, remove, rollback, type WriteFlags, write } from "./change.ts";
import { type ConnectAgent, type ConnectOptions, connect, parseDeviceType } from "./connect.ts";
import { EXIT, EXIT_HELP, exitCodeOf } from "./exit-codes.ts";
import { type ChangePinFlags, changePin, type ProvisionFlags, provision } from "./provision.ts";
import { type QualifyFlags, qualifyToken } from "./qualify.ts";
import { selftest } from "./selftest.ts";
import { checkedPath, type Session } from "./session.ts";
import { history, info, list, type ReadFlags, read, showChecksum, showTokens } from "./show.ts";
import { printable, type Terminal } from "./terminal.ts";

type GlobalOptions = ConnectOptions & { readonly json?: boolean };

const EXAMPLES = `
Examples:
  test-hsm info --module /usr/lib/softhsm/libsofthsm2.so
  test-hsm list --module libpkcs11.so --serial DENK0100001 --pin-file pin.txt
  test-hsm write secrets/shop/db --from-file password=./password --from-file user=./user ...
  test-hsm read secrets/shop/db --raw password ... > password
`;

/** Runs one command; returns its exit code. `args` are without the program's own name. */
export async function runTestHsm(
  args: readonly string[],
  terminal: Terminal,
  connectAgent: ConnectAgent,
): Promise<number> {
  const program = makeProgram(terminal, connectAgent);
  try {
    await program.parseAsync([...args], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    report(terminal, args.includes("--json"), error);
    return exitCodeOf(error);
  }
}

function report(terminal: Terminal, json: boolean, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const code = isHsmError(error) ? error.code : "HSM_INTERNAL";
    terminal.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  }
  terminal.stderr.write(`test-hsm: ${printable(message)}\n`);
}

function makeProgram(terminal: Terminal, connectAgent: ConnectAgent): Command {
  const program = new Command("test-hsm")
    .description(
      "Every operation on secrets of a PKCS#11 token, by hand: against a library, or against an agent.",
    )
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      outputError: (text, out) => out(text.replace(/^error: /, "test-hsm: ")),
    })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", EXIT_HELP + EXAMPLES);
  addConnection(program);

  const open = async (run: (session: Session) => Promise<void>): Promise<void> => {
    const options = program.opts<GlobalOptions>();
    const client = await connect(options, terminal, connectAgent);
    try {
      await run({ client, terminal, json: options.json === true });
    } finally {
      await client.close();
    }
  };

  command(program, "info")
    .description("what the token is; without a PIN: which tokens the library shows")
    .action(async () => {
      const { module, pinFile, pinFd, json } = program.opts<GlobalOptions>();
      if (module !== undefined && pinFile === undefined && pinFd === undefined) {
        return showTokens(module, terminal, json === true);
      }
      return open(info);
    });
  command(program, "list [prefix]")
    .description("the secrets, without any value; the prefix matches whole segments")
    .option("--foreign", "also plain objects that other programs made")
    .action((prefix: string | undefined, flags: { foreign?: boolean }) => {
      if (prefix !== undefined) checkedPath(prefix.replace(/\/$/, ""));
      return open((session) => list(session, prefix, flags.foreign === true));
    });
  command(program, "read <path>")
    .description("one secret; values are hidden unless asked for")
    .option("--reveal", "show the values")
    .option("--raw <key>", "write the bytes of this one key to standard output, and nothing else")
    .option("--generation <n>", "a generation of the history", whole)
    .option("--foreign", "also plain objects that other programs made")
    .action((path: string, flags: ReadFlags) => {
      checkedPath(path);
      return open((session) => read(session, path, flags));
    });
  addChanges(program, terminal, open);
  command(program, "history <path>")
    .description("the generations that the token holds, newest first")
    .action((path: string) => {
      checkedPath(path);
      return open((session) => history(session, path));
    });
  command(program, "checksum <path>")
    .description("the keyed checksum, as in the status of an HSMSecret")
    .option("--generation <n>", "of a generation of the history", whole)
    .action((path: string, flags: { generation?: number }) => {
      checkedPath(path);
      return open((session) => showChecksum(session, path, flags.generation));
    });
  command(program, "selftest")
    .description("writes, reads, updates, rolls back and deletes one secret; leaves one tombstone")
    .action(() => open(selftest));
  addPinWork(program, terminal);
  return program;
}

/** Commands for whoever holds a new token in hand; a library only. */
function addPinWork(program: Command, terminal: Terminal): void {
  command(program, "provision")
    .description("gives a certainly blank token its SO PIN and its user PIN; never touches any other")
    .requiredOption("--label <text>", "the token's label, at most 32 bytes")
    .option("--so-pin-file <path>", "file that holds the SO PIN: keep it, nothing else unlocks the token")
    .option("--so-pin-fd <n>", "descriptor to read the SO PIN from; without both, a prompt", whole)
    .option("--yes <serial>", "go on without asking, if this is the token's serial number")
    .action((flags: ProvisionFlags) => provision(program.opts<GlobalOptions>(), flags, terminal));
  command(program, "qualify")
    .description("plays the hazards of real tokens on one without data objects, and says what it is good for")
    .option("--out <file>", "write the profile there, JSON")
    .option("--most-bytes <n>", "largest value to try; 1 MiB when absent", whole)
    .option("--most-objects <n>", "most objects to try; 300 when absent", whole)
    .action((flags: QualifyFlags) => qualifyToken(program.opts<GlobalOptions>(), flags, terminal));
  command(program, "change-pin")
    .description("changes the user PIN: one try, and one login that proves it")
    .option("--new-pin-file <path>", "file that holds the new PIN, 6 to 15 characters")
    .option("--new-pin-fd <n>", "descriptor to read the new PIN from; without both, a prompt", whole)
    .option("--yes <serial>", "go on without asking, if this is the token's serial number")
    .action((flags: ChangePinFlags) => changePin(program.opts<GlobalOptions>(), flags, terminal));
}

function addChanges(
  program: Command,
  terminal: Terminal,
  open: (run: (session: Session) => Promise<void>) => Promise<void>,
): void {
  const collect = (value: string, before: readonly string[] = []) => [...before, value];
  command(program, "write <path>")
    .description("replaces the secret by the keys given; there is no way to give a value on the command line")
    .option(
      "--from-file <key=path>",
      "a key and the file that holds its bytes (- is standard input); repeatable",
      collect,
    )
    .option("--merge", "keep the keys that are not named")
    .option("--description <text>", "kept with the secret")
    .option("--expect <generation>", "only if this generation is there; 0: only if no record is", whole)
    .option("--history-limit <n>", "generations to keep behind this one", whole)
    .action(async (path: string, flags: WriteFlags) => {
      checkedPath(path);
      const files = flags.fromFile ?? [];
      if (files.length === 0)
        throw new HsmError("BadInput", "Give at least one --from-file.", { operation: "write" });
      const keys = await readKeys(files, terminal);
      return open((session) => write(session, path, keys, flags));
    });
  command(program, "delete <path>")
    .description("writes a tombstone, then destroys every generation before it")
    .option("--expect <generation>", "only if this generation is there", whole)
    .action((path: string, flags: { expect?: number }) => {
      checkedPath(path);
      return open((session) => remove(session, path, flags));
    });
  command(program, "rollback <path>")
    .argument("<generation>", "the generation whose keys shall be back", whole)
    .description("writes a new generation with the keys of an old one")
    .option("--expect <generation>", "only if this generation is there", whole)
    .option("--history-limit <n>", "generations to keep behind this one", whole)
    .action((path: string, generation: number, flags: { expect?: number; historyLimit?: number }) => {
      checkedPath(path);
      return open((session) => rollback(session, path, generation, flags));
    });
}

/** A subcommand that fails like the program does, without the wall of help. */
function command(program: Command, name: string): Command {
  return program.command(name).exitOverride().allowExcessArguments(false);
}

function addConnection(program: Command): void {
  program
    .option("--module <path>", "the token's PKCS#11 library")
    .option("--serial <number>", "the token with this serial number")
    .option("--token-label <label>", "the token with this label")
    .option("--slot <id>", "the token in this slot", whole)
    .option(
      "--device-type <type>",
      `how the token behaves: ${DEVICE_TYPES.join(", ")}; guessed when absent`,
      deviceType,
    )
    .option("--part-size <bytes>", "most bytes of one object", whole)
    .option("--object-capacity <n>", "most objects on the token", whole)
    .option("--pin-file <path>", "file that holds the PIN")
    .option("--pin-fd <n>", "descriptor to read the PIN from; without both, a prompt", whole)
    .option("--allow-final-try", "log in although a wrong PIN would now lock the token")
    .option("--lock-dir <path>", "folder of the lock that keeps other processes off the token")
    .option("--state-dir <path>", "folder that remembers which PIN was refused")
    .option("--agent <url>", "an agent instead of a library, with --serial, --pool-uid and:")
    .option("--cert <path>", "the client certificate, PEM")
    .option("--key <path>", "its key, PEM")
    .option("--ca <path>", "the authority that signed the agent's certificate, PEM")
    .option("--pool-uid <uid>", "UID of the agent's pool, which its certificate names")
    .option("--json", "one JSON document on standard output");
}

function whole(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

function deviceType(text: string): string {
  try {
    return parseDeviceType(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : "");
  }
}
