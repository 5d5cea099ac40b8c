import { describe, expect, test } from "vitest";
import { inUtc, timeFault } from "./go-time.ts";

describe("times as Go reads them", () => {
  test.each([
    ["2020-01-01T00:00:10.123456Z", true, undefined],
    ["2020-01-01T02:00:10.123456+02:00", true, undefined],
    ["2020-01-01T00:00:10Z", false, undefined],
    ["2020-01-01T00:00:10.5Z", false, undefined],
    ["2020-01-01T00:00:10.500Z", true, 'cannot parse ".500Z" as ".000000"'],
    ["2020-01-01T00:00:10Z", true, 'cannot parse "Z" as ".000000"'],
    ["2020-01-01T00:00:11.123456789Z", true, 'cannot parse "789Z" as "Z07:00"'],
    ["yesterday", false, 'cannot parse "yesterday" as "2006"'],
    ["2020-13-01T00:00:00Z", false, "month out of range"],
    ["2021-02-29T00:00:00Z", false, "day out of range"],
  ])("%s (micro: %s)", (text, micro, fault) => {
    const found = timeFault(text, micro);
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(fault);
  });

  test("offsets are turned into UTC, fractions stay", () => {
    expect(inUtc("2020-01-01T02:00:12.500000+02:00")).toBe("2020-01-01T00:00:12.500000Z");
  });
});
