import { expect, test } from "vitest";
import { killUnderWriters } from "./kill-writers.ts";

test("200 SIGKILLs under eight writers lose no acknowledged write and no revision", async () => {
  const report = await killUnderWriters("built", 200, 8);
  expect(report).toMatchObject({ kills: 200, lost: [], revisionsWentBack: 0 });
});
