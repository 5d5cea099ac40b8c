/** One piece of PIN work on the stub card, in this process, as tests of it want it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { isHsmError } from "../../src/hsm/errors.ts";
import { changeUserPin, type PinWorkResult, provisionToken } from "../../src/hsm/pkcs11/provision.ts";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import type { ObjectToken } from "../../src/hsm/token.ts";
import { makeStubToken, type StubProfile, type StubToken } from "../stub.ts";

const SO_PIN = "1234567890abcdef";
export const FIRST_PIN = "271828";
export const NEXT_PIN = "314159";

export type Answer =
  | PinWorkResult
  | { readonly status: "rejected"; readonly class: string; readonly message: string };

const cards: StubToken[] = [];
export async function disposeCards(): Promise<void> {
  for (const made of cards.splice(0)) await made.dispose();
}

/** The card that the library of this process shows from now on. */
export async function card(profile: StubProfile = "opensc-0.27-pico"): Promise<StubToken> {
  const made = await makeStubToken({ profile });
  cards.push(made);
  process.env["HSM_STUB_CARD"] = made.folder;
  return made;
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** Runs one piece of work; whatever comes of it, the PINs that it was given are wiped. */
async function settle(pins: readonly Uint8Array[], work: Promise<PinWorkResult>): Promise<Answer> {
  try {
    return await work;
  } catch (error) {
    if (!isHsmError(error)) throw error;
    return { status: "rejected", class: error.class, message: error.message };
  } finally {
    for (const pin of pins) expect(pin.every((byte) => byte === 0)).toBe(true);
  }
}

export async function provision(
  token: StubToken,
  options: { soPin?: string; pin?: string; returnLimit?: number; putBack?: boolean } = {},
): Promise<Answer> {
  const soPin = bytes(options.soPin ?? SO_PIN);
  const pin = bytes(options.pin ?? FIRST_PIN);
  const work = settle(
    [soPin, pin],
    provisionToken({
      modulePath: token.modulePath,
      select: { serialNumber: token.serialNumber },
      soPin,
      pin,
      label: "shop",
      lockDirectory: join(token.folder, "locks"),
      returnLimit: options.returnLimit ?? 20_000,
    }),
  );
  return options.putBack === false ? work : putBackWhile(token, work);
}

/** A person who puts the card in again whenever it is out: C_InitToken ends its connection. */
async function putBackWhile<T>(token: StubToken, work: Promise<T>): Promise<T> {
  let running = true;
  const watched = work.finally(() => {
    running = false;
  });
  const person = (async () => {
    while (running) {
      if (!token.present()) await token.control("insert");
      await new Promise(setImmediate);
    }
  })();
  const [result] = await Promise.all([watched, person]);
  if (!token.present()) await token.control("insert");
  return result;
}

export async function change(
  token: StubToken,
  options: { oldPin?: string; newPin?: string; allowFinalTry?: boolean } = {},
): Promise<Answer> {
  const oldPin = bytes(options.oldPin ?? token.pin);
  const newPin = bytes(options.newPin ?? NEXT_PIN);
  return settle(
    [oldPin, newPin],
    changeUserPin({
      modulePath: token.modulePath,
      select: { serialNumber: token.serialNumber },
      oldPin,
      newPin,
      lockDirectory: join(token.folder, "locks"),
      stateDirectory: join(token.folder, "state"),
      allowFinalTry: options.allowFinalTry,
    }),
  );
}

async function open(token: StubToken, pin: string): Promise<ObjectToken> {
  return openPkcs11Token({
    modulePath: token.modulePath,
    select: { serialNumber: token.serialNumber },
    pin: bytes(pin),
    lockDirectory: join(token.folder, "locks"),
    stateDirectory: join(token.folder, "other-state"),
  });
}

export async function objectsWith(token: StubToken, pin: string): Promise<number> {
  const opened = await open(token, pin);
  const { objects } = await opened.list();
  await opened.close();
  return objects.length;
}

export async function putObject(token: StubToken): Promise<void> {
  const opened = await open(token, token.pin);
  const [made] = await opened.apply([
    { kind: "create", label: "kept", application: "test", value: bytes("kept") },
  ]);
  expect(made?.kind).toBe("created");
  await opened.close();
}

/** The PIN in the card's flash (CardState of test/stub/module/shared.h). */
export function pinOf(token: StubToken): string {
  const state = readFileSync(join(token.folder, "card")).subarray(0, 512).toString("latin1");
  return [NEXT_PIN, FIRST_PIN, token.pin].find((pin) => state.includes(pin)) ?? "another";
}
