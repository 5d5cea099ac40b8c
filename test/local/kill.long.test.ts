// 200 SIGKILLs of agent or manager while the main job is played, at points that seeds choose: no secret is lost or
// torn. A failed seed is played again by `npm run local -- --check --kill-seed N`.
import { expect, it } from "vitest";
import { WRITE_STEPS } from "../../src/local/check/killer.ts";
import { runLocal } from "./run-local.ts";

const KILLS = 200;
/** Kills that each named step of a write gets at least. */
const SHARE = 5;

it(`${KILLS} kills at seeded points lose and tear no secret`, async () => {
  const first = Math.floor(Date.now() / 1000) % 1_000_000;
  const kills: string[] = [];
  for (let seed = first; kills.length < KILLS || missing(kills).length > 0; seed += 1) {
    const { code, lines } = await runLocal(["--check", "--kill-seed", String(seed)]).ended;
    kills.push(...lines.filter((line) => line.startsWith("killed ")));
    console.log(`seed ${seed}: ${lines.at(-1)}; ${kills.length} kills so far`);
    if (code !== 0) console.error(lines.join("\n"));
    expect([seed, code]).toEqual([seed, 0]);
  }
});

function missing(kills: readonly string[]): readonly string[] {
  return WRITE_STEPS.filter(
    (step) => kills.filter((line) => line === `killed agent at ${step}`).length < SHARE,
  );
}
