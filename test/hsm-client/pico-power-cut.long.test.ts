/** The card pulled after every single command of a write, until a write gets through. */
import { expect, test } from "vitest";
import type { StubProfile } from "../stub.ts";
import { pullDuringWrites } from "./pico-card.ts";

test.each(["opensc-0.27-pico", "opensc-0.26-pico", "opensc-0.23-pico"] satisfies StubProfile[])(
  "a card pulled after any command of a write holds the old secret or the new one, whole (%s)",
  async (profile) => {
    const outcomes = await pullDuringWrites(profile, 1);
    expect(outcomes).toContain("failed, old");
    expect(outcomes).toContain("failed, new");
    expect(outcomes.at(-1)).toBe("written, new");
    expect(outcomes.length).toBeGreaterThan(40);
  },
);
