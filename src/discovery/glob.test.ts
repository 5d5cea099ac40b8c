import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { globMatcher } from "./glob.ts";

describe("globMatcher", () => {
  it.each([
    ["ttyUSB*", ["ttyUSB", "ttyUSB0", "ttyUSB12"], ["ttyS0", "xttyUSB0"]],
    ["ttyUSB?", ["ttyUSB0"], ["ttyUSB", "ttyUSB10"]],
    ["tty[AU]*", ["ttyACM0", "ttyUSB0"], ["ttyS0"]],
    ["hidraw[0-3]", ["hidraw0", "hidraw3"], ["hidraw4", "hidraw-"]],
    ["hidraw[!0-3]", ["hidraw4"], ["hidraw0"]],
    ["tty{USB,ACM}[0-9]", ["ttyUSB1", "ttyACM9"], ["ttyUSB", "tty{USB"]],
    ["usb-*_HSM_*-if00", ["usb-Pico_HSM_A_HSM_B-if00"], ["usb-Pico_HSM-if00"]],
    ["*", ["a"], [".hidden"]],
    [".*", [".hidden"], ["a"]],
    ["a.b", ["a.b"], ["axb"]],
    ["[]]x", ["]x"], ["x"]],
  ])("%s", (pattern, yes, no) => {
    const fits = globMatcher(pattern);
    expect(yes.filter((name) => !fits(name))).toEqual([]);
    expect(no.filter(fits)).toEqual([]);
  });

  it.each([["tty[0-9"], ["tty{a,b"], ["tty{a,{b,c}}"], ["{a,b}".repeat(7)]])("refuses %s", (pattern) => {
    expect(() => globMatcher(pattern)).toThrow(/The path|of the path/);
  });

  it("means the same as the regular expression that says it at length", () => {
    const piece = fc.constantFrom("*", "?", "a", "b", ".");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.stringMatching(/^[ab.]{0,10}$/), (pieces, name) => {
        const source = pieces
          .map((p) => (p === "*" ? ".*" : p === "?" ? "." : p === "." ? "\\." : p))
          .join("");
        const hidden = name.startsWith(".") && pieces[0] !== ".";
        expect(globMatcher(pieces.join(""))(name)).toBe(!hidden && new RegExp(`^${source}$`).test(name));
      }),
    );
  });

  it("a hundred stars against a name that almost fits come to an end", () => {
    expect(globMatcher(`${"*a".repeat(100)}b`)("a".repeat(255))).toBe(false);
  });
});
