import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openPkcs11Token, type TokenSelector } from "../../src/hsm/pkcs11/token.ts";
import { createInAnotherProcess } from "../../src/hsm/qualify/other-process.ts";
import type { Profile } from "../../src/hsm/qualify/profile.ts";
import { qualify } from "../../src/hsm/qualify/qualify.ts";
import type { ObjectToken } from "../../src/hsm/token.ts";
import { makeSoftHsmToken } from "../softhsm.ts";
import { makeStubToken } from "../stub.ts";

const NO_LIMIT = 4 * 1024 * 1024;

interface Place {
  readonly modulePath: string;
  readonly serialNumber: string;
  readonly folder: string;
  readonly pin: string;
}

function opener(place: Place, verification: "refresh" | "readback"): Promise<ObjectToken> {
  return openPkcs11Token({
    modulePath: place.modulePath,
    select: { serialNumber: place.serialNumber },
    pin: new TextEncoder().encode(place.pin),
    partSize: NO_LIMIT,
    objectCapacity: NO_LIMIT,
    verification,
    lockDirectory: join(place.folder, "locks"),
    stateDirectory: join(place.folder, "state"),
  });
}

function profileOf(place: Place, progress: (text: string) => void = () => {}): Promise<Profile> {
  const select: TokenSelector = { serialNumber: place.serialNumber };
  return qualify({
    open: (verification) => opener(place, verification),
    otherProcess: (label, application) =>
      createInAnotherProcess({
        modulePath: place.modulePath,
        select,
        pin: new TextEncoder().encode(place.pin),
        label,
        application,
      }),
    progress,
    now: () => performance.now(),
    mostBytes: 65_536,
    mostObjects: 160,
  });
}

/** The kept profile of the name; HSM_KEEP_PROFILES=1 writes it anew. Times and serial numbers differ by nature. */
function compare(name: string, { times, token, ...profile }: Profile): void {
  expect(Object.values(times).every((time) => time >= 0)).toBe(true);
  const { serialNumber, library, ...kind } = token;
  expect(serialNumber).not.toBe("");
  expect(library).not.toBe("");
  const found = { ...profile, token: kind };
  const file = fileURLToPath(new URL(`${name}.json`, import.meta.url));
  if (process.env["HSM_KEEP_PROFILES"] === "1" || !existsSync(file)) {
    writeFileSync(file, `${JSON.stringify(found, undefined, 2)}\n`);
  }
  expect(found).toEqual(JSON.parse(readFileSync(file, "utf8")));
}

async function leftOn(place: Place): Promise<number> {
  const token = await opener(place, "readback");
  const { objects } = await token.list();
  await token.close();
  return objects.length;
}

describe("qualify", { timeout: 240_000 }, () => {
  it("finds SoftHSM2 fit, as it was", async () => {
    const soft = await makeSoftHsmToken();
    const place = { ...soft, pin: new TextDecoder().decode(soft.pin) };
    try {
      compare("softhsm-2.6.1", await profileOf(place));
      expect(await leftOn(place)).toBe(0);
    } finally {
      await soft.dispose();
    }
  });

  it.each(["opensc-0.23-pico", "opensc-0.27-pico"] as const)(
    "finds a Pico HSM's limits and hazards, as they were (%s)",
    async (profile) => {
      const stub = await makeStubToken({ profile });
      process.env["HSM_STUB_CARD"] = stub.folder;
      try {
        compare(profile, await profileOf(stub));
        expect(await leftOn(stub)).toBe(0);
      } finally {
        await stub.dispose();
      }
    },
  );

  it("refuses a token with a data object, and leaves it alone", async () => {
    const stub = await makeStubToken();
    process.env["HSM_STUB_CARD"] = stub.folder;
    try {
      const token = await opener(stub, "refresh");
      await token.apply([
        { kind: "create", label: "theirs", application: "another program", value: Uint8Array.of(1) },
      ]);
      await token.close();
      await expect(profileOf(stub)).rejects.toMatchObject({
        class: "BadInput",
        message: /1 data objects: qualify needs one without any/,
      });
      expect(await leftOn(stub)).toBe(1);
    } finally {
      await stub.dispose();
    }
  });

  it("clears up what an earlier run that was cut short has left", async () => {
    const stub = await makeStubToken();
    process.env["HSM_STUB_CARD"] = stub.folder;
    const said: string[] = [];
    try {
      const cut = profileOf(stub, (text) => {
        if (text === "names") throw new Error("cut");
      });
      await expect(cut).rejects.toThrow("cut");
      expect(await leftOn(stub)).toBe(0);
      const token = await opener(stub, "refresh");
      await token.apply([
        {
          kind: "create",
          label: "qualify/left",
          application: "hsm-secrets-operator qualify",
          value: Uint8Array.of(1),
        },
      ]);
      await token.close();
      await profileOf(stub, (text) => said.push(text));
      expect(said).toContain("1 objects of an earlier run are destroyed");
      expect(await leftOn(stub)).toBe(0);
    } finally {
      await stub.dispose();
    }
  });
});
