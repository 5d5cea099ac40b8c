import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeSoftHsmToken, type SoftHsmToken } from "../softhsm.ts";
import { newWriter, STEPS, type Writer, writeAndKill } from "./kill.ts";

describe("a writer that is killed between two PKCS#11 calls on SoftHSM2", { timeout: 120_000 }, () => {
  let token: SoftHsmToken;
  let writer: Writer;
  beforeAll(async () => {
    token = await makeSoftHsmToken();
    writer = newWriter(token);
    // A past: one generation served, one behind it, so that the next write has something to destroy.
    await writeAndKill(writer, "never", 9000);
    await writeAndKill(writer, "never", 9000);
  }, 120_000);
  afterAll(() => token.dispose());

  it.each(["after create 1", "before create 3", "after create 3", "before destroy 1", "after destroy 2"])(
    "%s: the old secret or the new one is there, whole",
    async (step) => {
      expect(STEPS).toContain(step);
      expect(await writeAndKill(writer, step, 9000)).toBe(step);
      // The next writer finds a token that works, and its write is proven.
      await writeAndKill(writer, "never", 9000);
    },
  );
});
