import { expect, test } from "vitest";
import { pullAgainAndAgain } from "./removals.ts";

test("a card pulled 10 times under load: every call ends, and it is back within two seconds", async () => {
  const { calls, failures } = await pullAgainAndAgain(10);
  expect(calls).toBeGreaterThan(failures);
  expect(failures).toBeGreaterThan(0);
}, 120_000);
