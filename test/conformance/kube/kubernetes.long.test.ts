/** The recordings that take longer: many objects, streams that last seconds, kubectl's commands. */
import { expect, test } from "vitest";
import { playRecording } from "./files.ts";

test.each([
  ["crud", 244],
  ["watch", 73],
  ["crd", 171],
  ["lifecycle", 80],
  ["auth", 130],
  ["kubectl", 99],
])("%s: answers as recorded, except what is listed", { timeout: 300_000 }, async (name, exchanges) => {
  const { unlisted, vanished, played } = await playRecording(name);
  expect({ unlisted, vanished }).toEqual({ unlisted: [], vanished: [] });
  expect(played).toBe(exchanges);
});
