/** What the stub does on cue, which no recording shows: faults, full flash, time a command, one card for all. */
import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { returnName } from "../conformance/cryptoki/constants.ts";
import { type PlayedCall, Player } from "../conformance/cryptoki/player.ts";
import { buildStub, makeStubToken, type StubProfile, type StubToken } from "../stub.ts";

const CREATE = "4 0/0000000000000000/. 1/01/. 2/01/. 3/6c6162656c/.";
const VALUE = (bytes: number): string => `17/${"61".repeat(bytes)}/.`;

let token: StubToken;
const players: Player[] = [];

async function start(timeout = 5_000): Promise<Player> {
  const { playerPath } = await buildStub();
  const player = await Player.start({
    player: playerPath,
    module: token.modulePath,
    env: token.env,
    timeout,
  });
  players.push(player);
  return player;
}

/** A process with a session that is logged in. */
async function login(player: Player): Promise<string> {
  await player.call(0, "C_Initialize os");
  const { out } = await player.call(0, "C_OpenSession 0 6");
  const session = String(out["session"]);
  await player.call(0, `C_Login ${session} 1 ${Buffer.from(token.pin).toString("hex")}`);
  return session;
}

function create(player: Player, session: string, bytes: number): Promise<PlayedCall> {
  return player.call(0, `C_CreateObject ${session} ${CREATE.replace("4 ", "5 ")} ${VALUE(bytes)}`);
}

/** How many bytes of the only data object a process that has not written it can read. */
async function readElsewhere(): Promise<string> {
  const player = await start();
  const session = await login(player);
  await player.call(0, `C_FindObjectsInit ${session} 1 0/0000000000000000/.`);
  const { out } = await player.call(0, `C_FindObjects ${session} 10`);
  const [handle] = out["handles"] as readonly string[];
  if (handle === undefined) return "no object";
  const read = await player.call(0, `C_GetAttributeValue ${session} ${handle} 1 17/70000`);
  if (read.rv !== "0") return returnName(read.rv ?? "");
  const [attribute] = read.out["attrs"] as readonly { readonly len: string }[];
  return `${attribute?.len ?? "?"} bytes`;
}

async function useCard(profile: StubProfile): Promise<void> {
  await token.dispose();
  token = await makeStubToken({ profile });
}

beforeEach(async () => {
  token = await makeStubToken();
});

afterEach(async () => {
  for (const player of players.splice(0)) await player.kill();
  await token.dispose();
});

describe("faults", () => {
  test("give any return value, at the call and as often as asked", async () => {
    const player = await start();
    const session = await login(player);
    await token.control("fault C_CreateObject rv=CKR_DEVICE_ERROR at=2 times=2");
    const codes: string[] = [];
    for (let i = 0; i < 4; i += 1) codes.push(returnName((await create(player, session, 10)).rv ?? ""));
    expect(codes).toEqual(["CKR_OK", "CKR_DEVICE_ERROR", "CKR_DEVICE_ERROR", "CKR_OK"]);
  });

  test("can come after the work was done", async () => {
    const player = await start();
    const session = await login(player);
    await token.control("fault C_CreateObject rv=CKR_FUNCTION_FAILED after");
    expect(returnName((await create(player, session, 10)).rv ?? "")).toBe("CKR_FUNCTION_FAILED");
    expect(await readElsewhere()).toBe("10 bytes");
  });

  test("hang a call until its process is ended", async () => {
    const player = await start(300);
    await login(player);
    await token.control("fault C_GetSlotList hang");
    expect(await player.call(0, "C_GetSlotList 1 16")).toMatchObject({ hang: true });
  });

  test("crash the process in the call", async () => {
    const player = await start();
    const session = await login(player);
    await token.control("fault C_GetSessionInfo crash");
    expect(await player.call(0, `C_GetSessionInfo ${session}`)).toMatchObject({ crash: "SIGSEGV" });
  });

  test("lie about lengths, counts and handles", async () => {
    const player = await start();
    const session = await login(player);
    await token.control("fault C_CreateObject handle=0");
    expect((await create(player, session, 10)).out["handle"]).toBe("0");
    await token.control("fault C_FindObjects count=7");
    await player.call(0, `C_FindObjectsInit ${session} 1 0/0000000000000000/.`);
    const found = await player.call(0, `C_FindObjects ${session} 10`);
    expect(found.out["count"]).toBe("7");
    const [handle] = found.out["handles"] as readonly string[];
    await token.control("fault C_GetAttributeValue len=100000");
    const read = await player.call(0, `C_GetAttributeValue ${session} ${handle ?? "0"} 1 17/100`);
    expect(read.rv).toBe("0");
    expect(read.out["attrs"]).toMatchObject([{ len: "100000" }]);
  });

  test("end with `faults clear`", async () => {
    const player = await start();
    await token.control("fault C_GetInfo rv=0x80000001 times=always");
    await player.call(0, "C_Initialize os");
    expect((await player.call(0, "C_GetInfo")).rv).toBe(String(0x80000001));
    await token.control("faults clear");
    expect((await player.call(0, "C_GetInfo")).rv).toBe("0");
  });
});

describe("the card", () => {
  test("with a full flash says CKR_OK on 0.27 and keeps a part; 0.23 refuses", async () => {
    const player = await start();
    const session = await login(player);
    await token.control("flash full");
    expect((await create(player, session, 2_000)).rv).toBe("0");
    expect(await readElsewhere()).toBe("238 bytes");

    await useCard("opensc-0.23-pico");
    const older = await start();
    const olderSession = await login(older);
    await token.control("flash full");
    expect(returnName((await create(older, olderSession, 2_000)).rv ?? "")).toBe("CKR_GENERAL_ERROR");
    expect(await readElsewhere()).toBe("no object");
  });

  test("takes its time for each command", async () => {
    const player = await start();
    const session = await login(player);
    await token.control("apdu delay 5000");
    const before = token.apdus();
    const started = performance.now();
    await create(player, session, 1_000);
    const commands = token.apdus() - before;
    expect(commands).toBe(16);
    expect(performance.now() - started).toBeGreaterThanOrEqual(commands * 5);
  });

  test("is free again when a process was killed in the middle of a call", async () => {
    const player = await start();
    const session = await login(player);
    await token.control("apdu delay 20000");
    const before = token.apdus();
    const call = create(player, session, 3_000);
    await expect.poll(() => token.apdus()).toBeGreaterThan(before + 3);
    await player.kill();
    expect(await call).toMatchObject({ crash: "SIGKILL" });
    await token.control("apdu delay 0");
    const other = await start();
    expect((await create(other, await login(other), 10)).rv).toBe("0");
  });

  test("refuses a command that it does not know, with one sentence", async () => {
    await expect(token.control("dance")).rejects.toThrow('hsmcard: unknown command "dance"');
    await expect(token.control("fault C_Login")).rejects.toThrow("fault needs a function and what it does");
    await expect(token.control("fault C_Login rv=CKR_NONSENSE")).rejects.toThrow(
      'the return value "CKR_NONSENSE" is unknown',
    );
  });

  test("has the serial number that it was made with, and leaves nothing behind", async () => {
    const second = await makeStubToken({ serialNumber: "DEVICE2" });
    expect(second.serialNumber).toBe("DEVICE2");
    expect(await readdir(second.folder)).toContain("card");
    await second.dispose();
    await expect(readdir(second.folder)).rejects.toThrow("ENOENT");
  });
});
