import { expect, test } from "vitest";
import { killUnderWriters } from "./kill-writers.ts";

test("SIGKILL under eight writers loses no acknowledged write and no revision", async () => {
  const report = await killUnderWriters("source", 3, 8);
  expect(report).toMatchObject({ kills: 3, lost: [], revisionsWentBack: 0 });
  expect(report.acknowledged).toBeGreaterThan(30);
  // Four processes are started from source, one after the other.
}, 120_000);
