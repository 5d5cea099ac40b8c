import { afterEach, describe, expect, it } from "vitest";
import { card, change, disposeCards, FIRST_PIN, NEXT_PIN, objectsWith, pinOf, provision } from "./work.ts";

afterEach(disposeCards);

describe("PIN work, cut short everywhere", () => {
  it("power cut after each command of the card: the step is named, and the same command goes on from there", async () => {
    const whole = await card();
    await whole.control("blank");
    const start = whole.apdus();
    await provision(whole);
    const cost = whole.apdus() - start;
    const seen = new Set<string>();
    // The first look costs what C_Initialize costs, and one cut in it is like another.
    for (let commands = Math.max(0, cost - 80); commands <= cost; commands += 1) {
      const token = await card();
      await token.control("blank");
      await token.control(`remove after ${commands} apdus`);
      const cut = await provision(token);
      seen.add(cut.status === "unfinished" ? cut.step : cut.status);
      const again = await provision(token);
      // Refused only because the token has its PIN by now.
      if (again.status === "rejected") expect(again.message).toMatch(/shows a user PIN/);
      else expect(again.status).toBe("done");
      expect(await objectsWith(token, FIRST_PIN)).toBe(0);
      await token.dispose();
    }
    for (const step of ["rejected", "initToken", "done"]) expect(seen).toContain(step);
  });

  it("power cut after each command of the card: the old PIN holds or the new one, and the answer is true", async () => {
    const whole = await card();
    const start = whole.apdus();
    await change(whole);
    const cost = whole.apdus() - start;
    const seen = new Set<string>();
    for (let commands = 0; commands <= cost + 1; commands += 1) {
      const token = await card();
      await token.control(`remove after ${commands} apdus`);
      const answer = await change(token);
      seen.add(answer.status === "unfinished" ? answer.step : answer.status);
      // A cut that was not reached would come in the look below: the card's leaving takes it away.
      if (token.present()) await token.control("remove");
      await token.control("insert");
      expect([token.pin, NEXT_PIN]).toContain(pinOf(token));
      if (answer.status === "rejected") expect(pinOf(token)).toBe(token.pin);
      if (answer.status === "done") expect(pinOf(token)).toBe(NEXT_PIN);
      if (answer.status === "unfinished") expect(answer.left).toMatch(/[Tt]ry (the new PIN|it) once/);
      expect(await objectsWith(token, pinOf(token))).toBe(0);
      await token.dispose();
    }
    for (const step of ["rejected", "verify", "done"]) expect(seen).toContain(step);
  });
});
