import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HsmError } from "../../src/hsm/errors.ts";
import { listTokens } from "../../src/hsm/pkcs11/slots.ts";
import { openPkcs11Token, type Pkcs11TokenOptions } from "../../src/hsm/pkcs11/token.ts";
import type { ObjectOperation, ObjectToken, TokenEvent } from "../../src/hsm/token.ts";
import { makeSoftHsmToken, type SoftHsmToken } from "../softhsm.ts";

const exec = promisify(execFile);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let soft: SoftHsmToken;
let token: ObjectToken | undefined;

beforeAll(async () => {
  soft = await makeSoftHsmToken();
});
afterAll(() => soft.dispose());
afterEach(async () => {
  await token?.close();
  token = undefined;
});

function options(overrides: Partial<Pkcs11TokenOptions> = {}): Pkcs11TokenOptions {
  return {
    modulePath: soft.modulePath,
    select: { serialNumber: soft.serialNumber },
    pin: soft.pin.slice(),
    deviceType: "SoftHSM",
    lockDirectory: join(soft.folder, "lock"),
    stateDirectory: join(soft.folder, "state"),
    ...overrides,
  };
}

async function open(overrides: Partial<Pkcs11TokenOptions> = {}): Promise<ObjectToken> {
  token = await openPkcs11Token(options(overrides));
  return token;
}

function create(label: string, value = "value"): ObjectOperation {
  return { kind: "create", label, application: "app", value: bytes(value) };
}

async function rejection(promise: Promise<unknown>): Promise<HsmError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HsmError);
  return error as HsmError;
}

/** As another program: pkcs11-tool, in a process of its own. */
async function pkcs11Tool(...args: string[]): Promise<void> {
  const common = ["--module", soft.modulePath, "--token-label", soft.label, "--login", "--pin", "648219"];
  await exec("pkcs11-tool", [...common, ...args]);
}

describe("a token through the addon", () => {
  it("keeps what was written across close and open", async () => {
    const first = await open();
    const [made] = await first.apply([create("secrets/ü", "kept")]);
    expect(made?.kind).toBe("created");
    await first.close();
    const second = await open();
    const { objects } = await second.list();
    const found = objects.find((object) => object.label === "secrets/ü");
    expect(found).toMatchObject({ application: "app", private: true });
    const id = found?.id ?? -1;
    expect(await second.read([id])).toEqual([{ id, value: bytes("kept") }]);
    expect(await second.apply([{ kind: "destroy", id }])).toEqual([{ kind: "destroyed" }]);
    expect((await second.list()).objects).toEqual([]);
  });

  it("answers a batch of reads in order, each on its own", async () => {
    const open1 = await open();
    const made = await open1.apply([create("a", "1"), create("b", "2")]);
    const [a, b] = made.map((outcome) => (outcome.kind === "created" ? outcome.id : -1));
    const [second, missing, first] = await open1.read([b ?? -1, 4711, a ?? -1]);
    expect(second).toEqual({ id: b, value: bytes("2") });
    expect(missing).toMatchObject({ id: 4711, error: { class: "NotFound" } });
    expect(first).toEqual({ id: a, value: bytes("1") });
    await open1.apply([
      { kind: "destroy", id: a ?? -1 },
      { kind: "destroy", id: b ?? -1 },
    ]);
  });

  it("stops a batch at the first operation that fails and skips the rest", async () => {
    const opened = await open();
    const outcomes = await opened.apply([create("x"), { kind: "destroy", id: 99_999 }, create("y")]);
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(["created", "failed", "skipped"]);
    const { objects } = await opened.list();
    expect(objects.map((object) => object.label)).toEqual(["x"]);
    await opened.apply(objects.map(({ id }): ObjectOperation => ({ kind: "destroy", id })));
  });

  it("carries calls out in the order in which they are made, without waiting for each", async () => {
    const opened = await open();
    const before = await opened.list();
    const writing = opened.apply([create("first")]);
    const listing = opened.list();
    const again = opened.apply([create("second")]);
    expect((await listing).objects.map((object) => object.label)).toEqual(["first"]);
    await Promise.all([writing, again]);
    const after = await opened.list();
    expect(after.objects.map((object) => object.label)).toEqual(["first", "second"]);
    expect(after.version).toBeGreaterThan(before.version);
    expect(await opened.list()).toBe(after);
    await opened.apply(after.objects.map(({ id }): ObjectOperation => ({ kind: "destroy", id })));
  });

  it("shows after a refresh what another program wrote and destroyed, and keeps ids", async () => {
    const opened = await open();
    await opened.apply([create("mine")]);
    const mine = (await opened.list()).objects[0];
    await writeFile(join(soft.folder, "value"), "theirs");
    await pkcs11Tool("--write-object", join(soft.folder, "value"), "--type", "data", "--label", "theirs");
    const events: TokenEvent[] = [];
    const off = opened.onEvent((event) => events.push(event));
    const listing = await opened.refresh();
    off();
    const theirs = listing.objects.find((object) => object.label === "theirs");
    expect(listing.objects.find((object) => object.label === "mine")).toEqual(mine);
    expect(await opened.read([theirs?.id ?? -1])).toMatchObject([{ value: bytes("theirs") }]);
    expect(events).toEqual([{ kind: "changed", version: listing.version }]);
    await pkcs11Tool("--delete-object", "--type", "data", "--label", "theirs");
    const after = await opened.refresh();
    expect(after.objects).toEqual([mine]);
    await opened.apply([{ kind: "destroy", id: mine?.id ?? -1 }]);
  });

  it("refreshes by a new start of the library where the device needs that for a proof", async () => {
    const opened = await open({ verification: "refresh" });
    await opened.apply([create("proven", "value")]);
    const { objects } = await opened.refresh();
    expect(await opened.read(objects.map(({ id }) => id))).toMatchObject([{ value: bytes("value") }]);
    await opened.apply(objects.map(({ id }): ObjectOperation => ({ kind: "destroy", id })));
  });

  it("refuses what does not fit, each with its sentence, and changes nothing", async () => {
    const opened = await open({ objectCapacity: 1, partSize: 100 });
    const tooLarge = await opened.apply([
      { kind: "create", label: "l", application: "a", value: new Uint8Array(5 * 1024 * 1024) },
    ]);
    expect(tooLarge).toMatchObject([{ kind: "failed", error: { class: "TooLarge" } }]);
    expect(await opened.apply([create("l", "")])).toMatchObject([{ error: { class: "BadInput" } }]);
    await opened.apply([create("one")]);
    const full = await opened.apply([create("two")]);
    expect(full).toMatchObject([{ kind: "failed", error: { class: "NoSpace" } }]);
    const { objects } = await opened.list();
    expect(objects.length).toBe(1);
    await opened.apply(objects.map(({ id }): ObjectOperation => ({ kind: "destroy", id })));
  });

  it("takes a call back that has not begun when its signal aborts", async () => {
    const opened = await open();
    const abort = new AbortController();
    const writing = opened.apply(Array.from({ length: 20 }, (_, i) => create(`long/${i}`)));
    const withdrawn = opened.apply([create("withdrawn")], { signal: abort.signal });
    abort.abort(new Error("no longer wanted"));
    await expect(withdrawn).rejects.toThrow("no longer wanted");
    await writing;
    const { objects } = await opened.refresh();
    expect(objects.length).toBe(20);
    await opened.apply(objects.map(({ id }): ObjectOperation => ({ kind: "destroy", id })));
  });

  it("gives random bytes of the length asked for", async () => {
    const opened = await open();
    const [first, second] = await Promise.all([opened.random(2000), opened.random(2000)]);
    expect(first.length).toBe(2000);
    expect(Buffer.from(first).equals(second)).toBe(false);
    expect((await rejection(opened.random(0))).class).toBe("BadInput");
  });

  it("rejects every call after close, and close itself is idempotent", async () => {
    const opened = await open();
    await Promise.all([opened.close(), opened.close()]);
    const calls = [
      () => opened.list(),
      () => opened.read([1]),
      () => opened.apply([]),
      () => opened.refresh(),
      () => opened.random(1),
    ];
    for (const call of calls) expect((await rejection(call())).class).toBe("TokenGone");
    await opened.close();
  });
});

describe("opening a token", () => {
  it("says what the token is", async () => {
    const opened = await open({ deviceType: undefined });
    expect(opened.info()).toMatchObject({
      serialNumber: soft.serialNumber,
      label: soft.label,
      model: "SoftHSM v2",
      verification: "readback",
      partSize: 65_536,
      pinState: "OK",
      mock: false,
    });
  });

  it("wipes the caller's PIN, also when it fails", async () => {
    const good = soft.pin.slice();
    await open({ pin: good });
    expect([...good].every((byte) => byte === 0)).toBe(true);
    const bad = soft.pin.slice();
    await rejection(openPkcs11Token(options({ pin: bad, modulePath: "/no/such/library.so" })));
    expect([...bad].every((byte) => byte === 0)).toBe(true);
  });

  it("sends a wrong PIN once, then never again", async () => {
    const stateDirectory = join(soft.folder, "state-of-wrong-pin");
    const attempt = () => rejection(openPkcs11Token(options({ pin: bytes("999999"), stateDirectory })));
    const first = await attempt();
    expect(first).toMatchObject({ class: "AuthFailed", ckrName: "CKR_PIN_INCORRECT", operation: "C_Login" });
    expect(first.message).not.toContain("999999");
    const second = await attempt();
    expect(second).toMatchObject({ class: "AuthFailed", ckrName: undefined });
    expect(second.message).toMatch(/refused before and is not sent again/);
    expect((await open({ stateDirectory })).info().pinState).toBe("OK");
    expect(await readdir(stateDirectory)).toEqual([`${soft.serialNumber}.refused-pins`]);
  });

  it("refuses a second token of one library, and the same token twice", async () => {
    await open();
    const second = await rejection(openPkcs11Token(options()));
    expect(second).toMatchObject({ class: "Busy" });
    expect((await token?.list())?.objects).toEqual([]);
  });

  it("tells an unknown token, an ambiguous choice and a wrong choice apart", async () => {
    const unknown = await rejection(openPkcs11Token(options({ select: { serialNumber: "nobody" } })));
    expect(unknown).toMatchObject({ class: "TokenGone" });
    expect(unknown.message).toContain("nobody");
    const select = { serialNumber: soft.serialNumber, label: soft.label };
    expect(await rejection(openPkcs11Token(options({ select })))).toMatchObject({ class: "BadInput" });
    expect(await rejection(openPkcs11Token(options({ select: { slot: -1 } })))).toMatchObject({
      class: "BadInput",
    });
  });

  it("says in one sentence that a file is no PKCS#11 library", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hsm-no-library-"));
    try {
      const file = join(folder, "text.so");
      await writeFile(file, "not a library");
      for (const modulePath of [file, folder]) {
        const error = await rejection(openPkcs11Token(options({ modulePath })));
        expect(error.class).toBe("BadInput");
        expect(error.message).toContain(`${modulePath} is not a PKCS#11 library`);
      }
      const missing = await rejection(listTokens(join(folder, "missing.so")));
      expect(missing.message).toBe(`There is no PKCS#11 library at ${join(folder, "missing.so")}.`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("lists tokens without login, also while one is open", async () => {
    for (const opened of [false, true]) {
      if (opened) await open();
      const slots = await listTokens(soft.modulePath);
      expect(slots.find((slot) => slot.serialNumber === soft.serialNumber)).toMatchObject({
        label: soft.label,
        initialized: true,
        pinState: "OK",
        deviceType: "SoftHSM",
      });
    }
    expect((await token?.refresh())?.objects).toEqual([]);
  });
});
