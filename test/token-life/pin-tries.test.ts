/** A wrong PIN costs a card one of its three tries, whatever happens to the process that sends it. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeStubToken, type StubToken } from "../stub.ts";

const program = fileURLToPath(new URL("open-once.ts", import.meta.url));
let token: StubToken;

beforeEach(async () => {
  token = await makeStubToken();
});
afterEach(() => token.dispose());

/** Opens the token in a process of its own: `open`, an error's class, or the signal that ended it. */
function openOnce(pin: string): Promise<string> {
  const place = { modulePath: token.modulePath, serialNumber: token.serialNumber, folder: token.folder };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ["--import", "tsx", program, JSON.stringify(place)],
      { env: { ...process.env, ...token.env }, timeout: 60_000 },
      (error, stdout) => resolve(error?.signal ?? stdout.trim()),
    );
    child.stdin?.end(pin);
  });
}

test("a process that crashes after each refusal, and is started again, spends one try", async () => {
  await token.control("fault C_Login crash after times=always");
  expect(await openOnce("111111")).toBe("SIGSEGV");
  expect(token.pinTries()).toBe(2);
  for (let restart = 0; restart < 2; restart += 1) expect(await openOnce("111111")).toBe("AuthFailed");
  expect(token.pinTries()).toBe(2);
  await token.control("faults clear");
  expect(await openOnce("111111")).toBe("AuthFailed");
  expect(token.pinTries()).toBe(2);
  expect(await openOnce(token.pin)).toBe("open");
  expect(token.pinTries()).toBe(3);
}, 60_000);

test("a process that crashed before the PIN reached the card may send it again", async () => {
  await token.control("fault C_Login crash");
  expect(await openOnce(token.pin)).toBe("SIGSEGV");
  expect(await openOnce(token.pin)).toBe("open");
}, 60_000);

test("two wrong PINs leave one try, which no PIN gets without an explicit word", async () => {
  for (const pin of ["111111", "222222", token.pin]) {
    expect(await openOnce(pin)).toBe("AuthFailed");
  }
  expect(token.pinTries()).toBe(1);
}, 60_000);
