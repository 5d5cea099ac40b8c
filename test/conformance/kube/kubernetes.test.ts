/** The recordings of a real kube-apiserver against the embedded one; those that wait for clocks are in the long suite. */
import { expect, test } from "vitest";
import { checkAgainstList, loadDifferences } from "./differences.ts";
import { playRecording } from "./files.ts";

test.each([
  ["discovery", 60],
  ["lists", 128],
  ["patch", 112],
  ["apply", 93],
])("%s: answers as recorded, except what is listed", { timeout: 120_000 }, async (name, exchanges) => {
  const { unlisted, vanished, played } = await playRecording(name);
  expect({ unlisted, vanished }).toEqual({ unlisted: [], vanished: [] });
  expect(played).toBe(exchanges);
});

test("the list of differences only shrinks", () => {
  const list = loadDifferences();
  expect(Object.keys(list)).toHaveLength(12);
  expect(Object.values(list).filter((reason) => reason.length < 20)).toEqual([]);
});

test("a difference that nobody listed is told, and a listed one that has gone", () => {
  const result = (id: string, differences: string[]) => ({ id, story: "s", step: "a step", differences });
  const verdict = checkAgainstList([result("crud 1", ["status: 500"]), result("crud 2", [])], {
    "crud 2": "no matter",
  });
  expect(verdict).toEqual({ unlisted: ["crud 1 [s] a step: status: 500"], vanished: ["crud 2"] });
});
