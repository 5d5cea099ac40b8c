/** test-hsm provision and change-pin: the commands that change a token's PINs. Neither tries anything twice. */

import { HsmError } from "../errors.ts";
import {
  changeUserPin,
  type PinWorkResult,
  type ProvisionTarget,
  provisionToken,
} from "../pkcs11/provision.ts";
import { listTokens, type TokenSlot } from "../pkcs11/slots.ts";
import { type ConnectOptions, selectorOf } from "./connect.ts";
import { readLine, readPin } from "./pin.ts";
import { printable, type Terminal, withProgress } from "./terminal.ts";

export interface ProvisionFlags {
  readonly label: string;
  readonly soPinFile?: string;
  readonly soPinFd?: number;
  readonly yes?: string;
}

export interface ChangePinFlags {
  readonly newPinFile?: string;
  readonly newPinFd?: number;
  readonly yes?: string;
}

type Options = ConnectOptions & { readonly json?: boolean };

export async function provision(options: Options, flags: ProvisionFlags, terminal: Terminal): Promise<void> {
  const { modulePath, slot, select } = await tokenOf(options);
  await confirm(slot, flags.yes, terminal, `initialise ${described(slot)} and set its PINs`);
  const soPin = await readPin({ pinFile: flags.soPinFile, pinFd: flags.soPinFd }, terminal, "SO PIN");
  try {
    const pin = await readPin(options, terminal, "New user PIN", true);
    terminal.stderr.write("If the token goes away in the middle, pull it out and put it in again.\n");
    const result = await withProgress(terminal, "Provisioning", () =>
      provisionToken({
        modulePath,
        select,
        soPin,
        pin,
        label: flags.label,
        lockDirectory: options.lockDir,
      }),
    );
    report(result, options, terminal, "is provisioned, and its PIN is proven");
  } finally {
    soPin.fill(0);
  }
}

export async function changePin(options: Options, flags: ChangePinFlags, terminal: Terminal): Promise<void> {
  const { modulePath, slot, select } = await tokenOf(options);
  await confirm(slot, flags.yes, terminal, `change the user PIN of ${described(slot)}`);
  const oldPin = await readPin(options, terminal, "Present PIN");
  try {
    const newPin = await readPin(
      { pinFile: flags.newPinFile, pinFd: flags.newPinFd },
      terminal,
      "New PIN",
      true,
    );
    const result = await withProgress(terminal, "Changing the PIN", () =>
      changeUserPin({
        modulePath,
        select,
        oldPin,
        newPin,
        lockDirectory: options.lockDir,
        stateDirectory: options.stateDir,
        allowFinalTry: options.allowFinalTry,
      }),
    );
    report(result, options, terminal, "has its new PIN, which is proven");
  } finally {
    oldPin.fill(0);
  }
}

async function tokenOf(
  options: Options,
): Promise<{ modulePath: string; slot: TokenSlot; select: ProvisionTarget }> {
  if (options.module === undefined) throw bad("Name the library of the token with --module.");
  const wanted = selectorOf(options);
  if (wanted === undefined)
    throw bad("Say which token: --serial, --token-label or --slot (`info` lists them).");
  const found = (await listTokens(options.module)).filter((slot) =>
    "serialNumber" in wanted
      ? slot.serialNumber === wanted.serialNumber
      : "label" in wanted
        ? slot.label === wanted.label
        : slot.slot === wanted.slot,
  );
  const [slot] = found;
  if (slot === undefined || found.length > 1) {
    throw new HsmError(
      slot === undefined ? "TokenGone" : "BadInput",
      slot === undefined
        ? "The library shows no such token."
        : "Several tokens fit; name one by --serial or --slot.",
      { operation: "look" },
    );
  }
  const byNumber = slot.serialNumber === "" && slot.slot !== undefined;
  const select: ProvisionTarget =
    byNumber && slot.slot !== undefined ? { slot: slot.slot } : { serialNumber: slot.serialNumber };
  return { modulePath: options.module, slot, select };
}

/** What a person types to mean this token and no other. A blank token may have no serial number yet. */
function nameOf(slot: TokenSlot): string {
  return slot.serialNumber === "" ? `slot-${slot.slot ?? ""}` : slot.serialNumber;
}

function described(slot: TokenSlot): string {
  const kind = [slot.manufacturer, slot.model].filter((part) => part !== "").join(" ");
  return `${printable(kind === "" ? "the token" : kind)} (${printable(nameOf(slot))})`;
}

async function confirm(
  slot: TokenSlot,
  yes: string | undefined,
  terminal: Terminal,
  what: string,
): Promise<void> {
  const name = nameOf(slot);
  if (yes === undefined && !terminal.stdin.isTTY) {
    throw bad(`This would ${what}: say so with --yes ${name}.`);
  }
  const typed = yes ?? (await readLine(terminal, `This will ${what}. Type ${printable(name)} to go on: `));
  if (typed !== name) throw bad(`That names another token than ${name}; nothing was done.`);
}

function report(result: PinWorkResult, options: Options, terminal: Terminal, done: string): void {
  if (result.status === "unfinished") {
    const { error, left, step } = result;
    throw new HsmError(error.class, `${error.message} ${left}`, {
      operation: step,
      ...(error.ckrName === undefined ? {} : { ckrName: error.ckrName }),
      ...(error.ckrCode === undefined ? {} : { ckrCode: error.ckrCode }),
      cause: error,
    });
  }
  const { serialNumber, label } = result;
  terminal.stdout.write(
    options.json === true
      ? `${JSON.stringify({ ok: true, serialNumber, label })}\n`
      : `Token ${printable(serialNumber)} (${printable(label)}) ${done}.\n`,
  );
}

function bad(message: string): HsmError {
  return new HsmError("BadInput", message, { operation: "provision" });
}
