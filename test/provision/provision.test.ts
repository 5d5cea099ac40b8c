import { afterEach, describe, expect, it } from "vitest";
import {
  card,
  change,
  disposeCards,
  FIRST_PIN,
  NEXT_PIN,
  objectsWith,
  pinOf,
  provision,
  putObject,
} from "./work.ts";

afterEach(disposeCards);

describe("provisioning", { timeout: 120_000 }, () => {
  it.each(["opensc-0.23-pico", "opensc-0.27-pico"] as const)(
    "gives a blank token its PINs, waits until it is put in again, and proves them (%s)",
    async (profile) => {
      const token = await card(profile);
      await token.control("blank");
      expect(await provision(token)).toMatchObject({ status: "done", serialNumber: token.serialNumber });
      expect(await objectsWith(token, FIRST_PIN)).toBe(0);
    },
  );

  it("never initialises a token whose flags do not say that it is blank: a wrong SO PIN would wipe it", async () => {
    const token = await card();
    await putObject(token);
    expect(await provision(token)).toMatchObject({
      status: "rejected",
      class: "BadInput",
      message: expect.stringMatching(/not certainly blank/),
    });
    expect(await objectsWith(token, token.pin)).toBe(1);
  });

  it("refuses a token that says blank and shows an object", async () => {
    const token = await card();
    await putObject(token);
    await token.control("says blank");
    // A private object is hidden without a login; this is what a public one, a key or a certificate looks like.
    await token.control("fault C_FindObjects count=1");
    expect(await provision(token)).toMatchObject({
      status: "rejected",
      message: expect.stringMatching(/holds objects/),
    });
    expect(pinOf(token)).toBe(token.pin);
  });

  it.each([
    "fault C_FindObjectsInit rv=CKR_DEVICE_ERROR",
    "fault C_FindObjects rv=CKR_GENERAL_ERROR at=2",
    "fault C_OpenSession rv=CKR_GENERAL_ERROR",
    "fault C_GetTokenInfo rv=CKR_DEVICE_ERROR at=3",
    "fault C_Initialize rv=CKR_GENERAL_ERROR at=2",
  ])("changes nothing where the token's state cannot be read twice (%s)", async (fault) => {
    const token = await card();
    await token.control("blank");
    await token.control(fault);
    expect(await provision(token)).toMatchObject({ status: "rejected" });
    await token.control("faults clear");
    // Still blank: the same command does all of it.
    expect(await provision(token)).toMatchObject({ status: "done" });
  });

  it.each(["12345", "1234567890123456", ""])("sends no PIN of a wrong length (%j)", async (pin) => {
    const token = await card();
    await token.control("blank");
    expect(await provision(token, { pin })).toMatchObject({ status: "rejected", class: "BadInput" });
    expect(await provision(token)).toMatchObject({ status: "done" });
  });

  it("says what is left when the card does not come back, and sets only the PIN the next time", async () => {
    const token = await card();
    await token.control("blank");
    const answer = await provision(token, { returnLimit: 300, putBack: false });
    expect(answer).toMatchObject({
      status: "unfinished",
      step: "return",
      left: expect.stringMatching(/Pull it out/),
    });
    await token.control("insert");
    const before = token.insertions();
    expect(await provision(token)).toMatchObject({ status: "done" });
    // It did not leave again: C_InitToken was not called.
    expect(token.insertions()).toBe(before);
    expect(await objectsWith(token, FIRST_PIN)).toBe(0);
  });

  it("a wrong SO PIN in the second part spends one try and changes nothing", async () => {
    const token = await card();
    await token.control("blank");
    await provision(token, { returnLimit: 300, putBack: false });
    await token.control("insert");
    expect(await provision(token, { soPin: "0000000000000000" })).toMatchObject({
      status: "rejected",
      class: "AuthFailed",
      message: expect.stringMatching(/spent one of its tries/),
    });
    expect(await provision(token)).toMatchObject({ status: "done" });
  });

  it.each([
    ["fault C_InitToken rv=CKR_GENERAL_ERROR", "initToken"],
    ["fault C_InitToken rv=CKR_GENERAL_ERROR after", "initToken"],
    ["fault C_OpenSession rv=CKR_DEVICE_REMOVED at=3", "initPin"],
    ["fault C_Login rv=CKR_GENERAL_ERROR", "initPin"],
    ["fault C_InitPIN rv=CKR_GENERAL_ERROR", "initPin"],
    ["fault C_InitPIN rv=CKR_DEVICE_REMOVED after", "initPin"],
    ["fault C_Login rv=CKR_DEVICE_REMOVED at=2", "verify"],
    ["fault C_GetSessionInfo rv=CKR_SESSION_HANDLE_INVALID", "verify"],
  ])(
    "cut short in the middle (%s) it names the step, %s, and the same command goes on",
    async (fault, step) => {
      const token = await card();
      await token.control("blank");
      await token.control(fault);
      expect(await provision(token)).toMatchObject({ status: "unfinished", step });
      await token.control("faults clear");
      const again = await provision(token);
      // Refused only because the token has its PIN by now.
      if (again.status === "rejected") expect(again.message).toMatch(/shows a user PIN/);
      else expect(again.status).toBe("done");
      expect(await objectsWith(token, FIRST_PIN)).toBe(0);
    },
  );
});

describe("changing the PIN", { timeout: 120_000 }, () => {
  it.each(["opensc-0.23-pico", "opensc-0.27-pico"] as const)(
    "is one C_SetPIN, proven, and what is on the token stays (%s)",
    async (profile) => {
      const token = await card(profile);
      await putObject(token);
      expect(await change(token)).toMatchObject({ status: "done", serialNumber: token.serialNumber });
      expect(await objectsWith(token, NEXT_PIN)).toBe(1);
    },
  );

  it("a wrong PIN is sent once, however often it is asked for, and costs one try", async () => {
    const token = await card();
    const wrong = { oldPin: "111111" };
    expect(await change(token, wrong)).toMatchObject({ status: "rejected", class: "AuthFailed" });
    for (let i = 0; i < 4; i += 1) {
      expect(await change(token, wrong)).toMatchObject({ message: expect.stringMatching(/not sent again/) });
    }
    expect(token.pinTries()).toBe(2);
    expect(await change(token)).toMatchObject({ status: "done" });
    expect(token.pinTries()).toBe(3);
  });

  it("sends nothing on the final try unless told to, and nothing at all when the PIN is locked", async () => {
    const token = await card();
    for (const oldPin of ["111111", "222222"]) await change(token, { oldPin });
    expect(await change(token)).toMatchObject({ message: expect.stringMatching(/One try is left/) });
    expect(token.pinTries()).toBe(1);
    await change(token, { oldPin: "333333", allowFinalTry: true });
    expect(token.pinTries()).toBe(0);
    const before = token.apdus();
    expect(await change(token, { allowFinalTry: true })).toMatchObject({ class: "PinLocked" });
    expect(token.apdus()).toBeGreaterThan(before);
    expect(pinOf(token)).toBe(token.pin);
  });

  it("refuses before anything is sent: the same PIN, a length that does not fit", async () => {
    const token = await card();
    for (const newPin of [token.pin, "12345", "1234567890123456"]) {
      expect(await change(token, { newPin })).toMatchObject({ status: "rejected", class: "BadInput" });
    }
    expect(pinOf(token)).toBe(token.pin);
    expect(token.pinTries()).toBe(3);
  });

  it.each([
    ["fault C_OpenSession rv=CKR_TOKEN_NOT_PRESENT", "rejected", false],
    ["fault C_SetPIN rv=CKR_GENERAL_ERROR", "setPin", false],
    ["fault C_SetPIN rv=CKR_DEVICE_REMOVED after", "setPin", true],
    ["fault C_SetPIN rv=CKR_OK", "verify", false],
    ["fault C_Initialize rv=CKR_GENERAL_ERROR at=3", "verify", true],
    ["fault C_Login rv=CKR_DEVICE_REMOVED", "verify", true],
  ])("cut short in the middle (%s) it says %s, truly", async (fault, step, changed) => {
    const token = await card();
    await token.control(fault);
    const answer = await change(token);
    expect(answer.status === "unfinished" ? answer.step : answer.status).toBe(step);
    expect(pinOf(token)).toBe(changed ? NEXT_PIN : token.pin);
    if (answer.status === "unfinished") expect(answer.left).toMatch(/[Tt]ry (the new PIN|it) once/);
    await token.control("faults clear");
    // The card may have lost a try to the proof, never more.
    expect(token.pinTries()).toBeGreaterThanOrEqual(2);
    expect(await objectsWith(token, pinOf(token))).toBe(0);
  });
});
