import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeSoftHsmToken } from "../softhsm.ts";
import { newWriter, STEPS, writeAndKill } from "./kill.ts";

const KILLS = 140;

describe("many writers that are killed at seeded steps on one SoftHSM2 token", () => {
  it("lose or tear no secret, and each named step gets some kills", async () => {
    const seed = Number(process.env["HSM_TEST_SEED"] ?? Date.now() % 2 ** 31);
    console.log(`seed ${seed} (HSM_TEST_SEED repeats it)`);
    const sizes = fc.sample(fc.integer({ min: 1, max: 12_000 }), { seed, numRuns: KILLS });
    const order = fc.sample(fc.shuffledSubarray(STEPS, { minLength: STEPS.length }), {
      seed,
      numRuns: KILLS / 10,
    });
    const token = await makeSoftHsmToken();
    const writer = newWriter(token);
    await writeAndKill(writer, "never", 9000);
    await writeAndKill(writer, "never", 9000);
    const reached = new Map<string, number>();
    for (const [i, step] of order.flat().slice(0, KILLS).entries()) {
      const last = await writeAndKill(writer, step, sizes[i] ?? 9000);
      reached.set(last, (reached.get(last) ?? 0) + 1);
      // Every third time a whole write of three parts follows, so that the late steps come as well.
      if (i % 3 === 0) await writeAndKill(writer, "never", 9000);
    }
    expect([...reached.keys()]).toEqual(expect.arrayContaining(STEPS));
    await token.dispose();
  });
});
