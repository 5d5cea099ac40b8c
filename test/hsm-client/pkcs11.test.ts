import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPkcs11Token } from "../../src/hsm/pkcs11/token.ts";
import { createPkcs11Client } from "../../src/hsm/store/record-store.ts";
import { makeSoftHsmToken, type SoftHsmToken } from "../softhsm.ts";
import { hsmClientConformance } from "./conformance.ts";

/** SoftHSM2 reads its configuration when the module is initialised: a fresh token a client. */
async function open(options: { partSize?: number; verification?: "refresh" } = {}) {
  const token = await makeSoftHsmToken();
  const client = await reopen(token, options);
  return { client, token, dispose: () => token.dispose() };
}

async function reopen(token: SoftHsmToken, options: { partSize?: number; verification?: "refresh" } = {}) {
  return createPkcs11Client(
    await openPkcs11Token({
      modulePath: token.modulePath,
      select: { serialNumber: token.serialNumber },
      pin: Uint8Array.from(token.pin),
      lockDirectory: token.folder,
      stateDirectory: token.folder,
      ...options,
    }),
  );
}

hsmClientConformance("pkcs11 on SoftHSM2", () => open());
hsmClientConformance("pkcs11 on SoftHSM2, proven as on a card", () =>
  open({ partSize: 3500, verification: "refresh" }),
);

describe("a token of SoftHSM2", () => {
  let under: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    under = await open();
  });
  afterAll(() => under.dispose());

  it("says what it is, and that it is no mock", async () => {
    const info = await under.client.info();
    expect(info).toMatchObject({ mock: false, serialNumber: under.token.serialNumber });
    expect(`${info.manufacturer} ${info.model}`).toContain("SoftHSM");
  });

  it("keeps its pool over a restart", async () => {
    const pool = { id: "a".repeat(32), members: ["x"], checksumKey: new Uint8Array(32).fill(7) };
    await under.client.setPool(pool);
    await under.client.close();
    const again = await reopen(under.token);
    expect(await again.pool()).toEqual(pool);
    await again.close();
  });
});
