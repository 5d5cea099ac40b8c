// The whole product as processes: `npm run local -- --check`, once. Many in a row: check.long.test.ts.
import { describe, expect, it } from "vitest";
import { runLocal } from "./run-local.ts";

describe("npm run local -- --check", () => {
  it("plays the main job from end to end, says each step with its time, and counts", async () => {
    const { code, lines } = await runLocal(["--check"]).ended;
    expect(lines.filter((line) => line.startsWith("FAIL"))).toEqual([]);
    expect([code, lines.at(-1)]).toEqual([0, "12 passed, 0 failed"]);
    expect(lines.filter((line) => /^ok +[\d.]+ (ms|s) {2}\S/.test(line))).toHaveLength(12);
  }, 180_000);
});
