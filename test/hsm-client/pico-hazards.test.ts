/** What the card and its middleware do to a write, by the recordings, and what the client must make of it. */
import { describe, expect, test } from "vitest";
import type { StubProfile } from "../stub.ts";
import { pullDuringWrites, readText, withCard, write } from "./pico-card.ts";

describe.each(["opensc-0.27-pico", "opensc-0.23-pico"] satisfies StubProfile[])("on %s", (profile) => {
  test("a card pulled during a write holds the old secret or the new one, whole", async () => {
    // Every seventh command here, every one in the long suite.
    const outcomes = await pullDuringWrites(profile, 7);
    expect(outcomes).toContain("failed, old");
    expect(outcomes).toContain("written, new");
  });

  test("a full flash is NoSpace, and the old secret stays", async () => {
    await withCard(profile, async (token, client) => {
      await token.control("flash full");
      const result = await write(client, token, "y".repeat(2_000));
      // 0.23 says of a full card no more than that something went wrong.
      const expected = profile === "opensc-0.23-pico" ? "Internal" : "NoSpace";
      expect(result).toMatchObject({ status: "failed", error: { class: expected } });
      expect(await readText(client)).toBe("old");
      await token.control("flash free");
      expect((await write(client, token, "again")).status).toBe("written");
      expect(await readText(client)).toBe("again");
    });
  });

  test("a write after pcscd was restarted fails or is kept, and the secret never seems absent", async () => {
    await withCard(profile, async (token, client) => {
      await token.control("pcscd restart");
      const first = await write(client, token, "lost");
      expect(first).toMatchObject({ status: "failed", error: { class: "TokenGone" } });
      expect(await readText(client)).toBe("old");
      expect((await write(client, token, "new")).status).toBe("written");
      await token.control("pcscd stop");
      await expect(client.refresh()).rejects.toMatchObject({ class: "TokenGone" });
      await token.control("pcscd start");
      expect(await readText(client)).toBe("new");
      expect((await client.list()).entries).toHaveLength(1);
    });
  });

  test("a login that another program ended costs no write its truth", async () => {
    await withCard(profile, async (token, client) => {
      await token.control("logout");
      const result = await write(client, token, "new").catch(() => ({ status: "rejected" }));
      const text = await readText(client);
      expect(text).toBe(result.status === "written" ? "new" : "old");
    });
  });

  test("another card in its place is not written to, and not taken for an empty one", async () => {
    await withCard(profile, async (token, client) => {
      await token.control("swap");
      await client.refresh();
      // The same serial number, and nothing on it: what is read is what is there.
      expect(await readText(client)).toBe("absent");
    });
  });
});
