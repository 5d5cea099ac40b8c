/** Every PKCS#11 function that the product calls answers once with a code of each kind, or lies; nothing is lost. */
import { describe, expect, test } from "vitest";
import { HsmError } from "../../src/hsm/errors.ts";
import { makeStubToken, type StubToken } from "../stub.ts";
import { POOL } from "./conformance.ts";
import { onFreshClient, readText, write } from "./pico-card.ts";

const FUNCTIONS = [
  "C_Initialize",
  "C_Finalize",
  "C_GetSlotList",
  "C_GetTokenInfo",
  "C_OpenSession",
  "C_CloseSession",
  "C_CloseAllSessions",
  "C_GetSessionInfo",
  "C_Login",
  "C_Logout",
  "C_FindObjectsInit",
  "C_FindObjects",
  "C_FindObjectsFinal",
  "C_GetAttributeValue",
  "C_CreateObject",
  "C_DestroyObject",
];
const ANSWERS = [
  "rv=CKR_GENERAL_ERROR",
  "rv=CKR_DEVICE_ERROR",
  "rv=CKR_DEVICE_REMOVED",
  "rv=CKR_DEVICE_MEMORY",
  "rv=CKR_SESSION_HANDLE_INVALID",
  "rv=CKR_OBJECT_HANDLE_INVALID",
  "rv=CKR_OPERATION_ACTIVE",
  "rv=CKR_USER_NOT_LOGGED_IN",
  "rv=CKR_FUNCTION_NOT_SUPPORTED",
  "rv=CKR_BUFFER_TOO_SMALL",
  "rv=0x80000bad",
  "rv=CKR_FUNCTION_FAILED after",
];
const LIES = [
  "fault C_GetAttributeValue len=0",
  "fault C_GetAttributeValue len=-1",
  "fault C_GetAttributeValue len=4000000000",
  "fault C_GetAttributeValue len=3 at=4",
  "fault C_FindObjects count=4000000000",
  "fault C_FindObjects handle=77",
  "fault C_CreateObject handle=0",
  "fault C_CreateObject handle=77",
  "fault C_GetSlotList count=0",
  "fault C_GetSlotList count=100000",
];

/** With `fault` due: refresh, write, read, each ending in its result or an HsmError. Then all must be well again. */
async function endure(fault: string): Promise<void> {
  const token = await makeStubToken({ setEnvironment: true });
  try {
    await onFreshClient(token, async (client) => {
      await client.setPool(POOL);
      expect((await write(client, token, "old")).status).toBe("written");
      await token.control(fault);
      await settle(client.refresh());
      const outcome = await settle(write(client, token, "new"));
      await settle(client.read("secrets/shop/db"));
      await token.control("faults clear");
      const after = await readText(client);
      expect(["old", "new"]).toContain(after);
      if (
        typeof outcome === "object" &&
        outcome !== null &&
        "status" in outcome &&
        outcome.status === "written"
      )
        expect(after).toBe("new");
    });
    await afterwards(token);
  } finally {
    await token.dispose();
  }
}

async function afterwards(token: StubToken): Promise<void> {
  await onFreshClient(token, async (client) => {
    expect(["old", "new"]).toContain(await readText(client));
    expect((await write(client, token, "last")).status).toBe("written");
    expect(await readText(client)).toBe("last");
  });
}

async function settle(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    expect(error).toBeInstanceOf(HsmError);
    return error;
  }
}

describe.each(FUNCTIONS)("%s", (name) => {
  test.each(ANSWERS)("answers %s once, and no secret is lost", async (answer) => {
    await endure(`fault ${name} ${answer}`);
  });
});

test.each(LIES)("a lie (%s) loses no secret", async (lie) => {
  await endure(lie);
});
