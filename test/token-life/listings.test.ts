/** A search that answers CKR_OK and shows less than is there makes no secret absent. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { HsmClient } from "../../src/hsm/client.ts";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { createPkcs11Client } from "../../src/hsm/store/record-store.ts";
import type { VerificationMode } from "../../src/hsm/token.ts";
import { POOL } from "../hsm-client/conformance.ts";
import { PATH, readText, write } from "../hsm-client/pico-card.ts";
import { makeStubToken, type StubProfile, type StubToken } from "../stub.ts";

const PROFILES: readonly StubProfile[] = ["opensc-0.27-pico", "opensc-0.23-pico"];
const MODES: readonly VerificationMode[] = ["refresh", "readback"];
const CASES = PROFILES.flatMap((profile) => MODES.map((verification) => ({ profile, verification })));

async function onCard(
  { profile, verification }: (typeof CASES)[number],
  use: (token: StubToken, client: HsmClient) => Promise<void>,
): Promise<void> {
  const token = await makeStubToken({ profile, setEnvironment: true });
  const open = async (): Promise<HsmClient> =>
    createPkcs11Client(
      await openPkcs11Token({
        modulePath: token.modulePath,
        select: { serialNumber: token.serialNumber },
        pin: new TextEncoder().encode(token.pin),
        deviceType: "PicoHSM",
        verification,
        lockDirectory: join(token.folder, "locks"),
        stateDirectory: join(token.folder, "state"),
      }),
    );
  let client = await open();
  try {
    await client.setPool(POOL);
    expect((await write(client, token, "old")).status).toBe("written");
    await client.close();
    client = await open();
    await use(token, client);
  } finally {
    await client.close();
    await token.dispose();
  }
}

/** What a refresh and a read say, whichever way they end; never that the secret is absent. */
async function neverAbsent(client: HsmClient): Promise<void> {
  const refreshed = await client.refresh().catch(() => undefined);
  if (refreshed !== undefined) expect(refreshed.entries.map(({ path }) => path)).toContain(PATH);
  expect(await readText(client)).toBe("old");
  expect((await client.list()).entries.map(({ path }) => path)).toContain(PATH);
}

describe.each(CASES)("$profile, proven by $verification", (how) => {
  test("an empty search in a refresh", async () => {
    await onCard(how, async (token, client) => {
      await token.control("fault C_FindObjects count=0");
      await neverAbsent(client);
    });
  });

  test("an empty search, and the second look fails", async () => {
    await onCard(how, async (token, client) => {
      await token.control("fault C_FindObjects count=0");
      await token.control("fault C_Login rv=CKR_GENERAL_ERROR at=2");
      await neverAbsent(client);
    });
  });

  test("pcscd restarts, the login fails, and searches answer CKR_OK with no objects", async () => {
    await onCard(how, async (token, client) => {
      await token.control("pcscd restart");
      await token.control("fault C_Login rv=CKR_GENERAL_ERROR");
      await token.control("fault C_FindObjects count=0");
      await neverAbsent(client);
    });
  });

  test("the login is dropped, and private objects vanish from searches", async () => {
    await onCard(how, async (token, client) => {
      await token.control("logout");
      await token.control("fault C_FindObjects count=0");
      await neverAbsent(client);
    });
  });

  test("a token that is opened while searches find nothing", async () => {
    await onCard(how, async (token, client) => {
      await client.close();
      await token.control("fault C_FindObjects count=0");
      const again = await createPkcs11Client(
        await openPkcs11Token({
          modulePath: token.modulePath,
          select: { serialNumber: token.serialNumber },
          pin: new TextEncoder().encode(token.pin),
          verification: how.verification,
          lockDirectory: join(token.folder, "locks"),
          stateDirectory: join(token.folder, "state"),
        }),
      );
      try {
        expect(await readText(again)).toBe("old");
      } finally {
        await again.close();
      }
    });
  });
});
