// The main job again and again: 20 times in a row it must pass, no single one may fail.
import { expect, it } from "vitest";
import { runLocal } from "./run-local.ts";

const RUNS = 20;

it(`npm run local -- --check passes ${RUNS} times in a row`, async () => {
  for (let run = 1; run <= RUNS; run += 1) {
    const { code, lines } = await runLocal(["--check"]).ended;
    console.log(`run ${run}: ${lines.at(-1)}`);
    if (code !== 0) console.error(lines.join("\n"));
    expect([run, code, lines.at(-1)]).toEqual([run, 0, "12 passed, 0 failed"]);
  }
});
