/**
 * The hand-written declarations of native/cryptoki against p11-kit's header: one program that prints the same facts
 * (sizes, offsets, constants) is generated once and compiled with either header.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const exec = promisify(execFile);
const NATIVE = resolve(import.meta.dirname, "..", "..", "..", "native");
const P11_KIT = "/usr/include/p11-kit-1";

/**
 * Where p11-kit 0.24.1 departs from the specification (OASIS' own header, pkcs11t.h of 2.40 errata 01, has these
 * numbers; p11-kit counts on from 0x1C0).
 */
const SPECIFICATION: Readonly<Record<string, number>> = {
  CKR_EXCEEDED_MAX_ITERATIONS: 0x1b5,
  CKR_FIPS_SELF_TEST_FAILED: 0x1b6,
  CKR_LIBRARY_LOAD_FAILED: 0x1b7,
  CKR_PIN_TOO_WEAK: 0x1b8,
  CKR_PUBLIC_KEY_INVALID: 0x1b9,
};

interface Declarations {
  /** Structure to its members, in order. */
  readonly structures: ReadonlyMap<string, readonly string[]>;
  readonly constants: readonly string[];
}

let folder = "";
let declarations: Declarations;
let ours: ReadonlyMap<string, string>;
let theirs: ReadonlyMap<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hsm-abi-"));
  declarations = readDeclarations(
    await readFile(join(NATIVE, "cryptoki", "pkcs11.h"), "utf8"),
    await readFile(join(NATIVE, "cryptoki", "return_codes.h"), "utf8"),
  );
  ours = await facts("ours", ["cryptoki/return_codes.h"], NATIVE);
  theirs = await facts("theirs", ["p11-kit/pkcs11.h"], P11_KIT);
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

function readDeclarations(header: string, codes: string): Declarations {
  const structures = new Map<string, readonly string[]>();
  const code = header.replace(/\/\/.*$/gm, "");
  for (const [, name = "", body = ""] of code.matchAll(/^struct (CK_\w+) \{\n(.*?)^\};/gms)) {
    const members = body
      .split(";")
      .map((statement) => /(?:\(\*(\w+)\)\(|(\w+)(?:\[\d+\])?$)/.exec(statement.trim()))
      .flatMap((match) => (match === null ? [] : [match[1] ?? match[2] ?? ""]));
    structures.set(name, members);
  }
  const constants = [
    ...[...code.matchAll(/^inline constexpr \w+ (CK\w+) =/gm)].map((match) => match[1] ?? ""),
    ...[...codes.matchAll(/^ {2}X\((CKR_\w+),/gm)].map((match) => match[1] ?? ""),
  ];
  return { structures, constants };
}

/** Compiles and runs the program with one of the headers. */
async function facts(
  name: string,
  includes: readonly string[],
  include: string,
): Promise<ReadonlyMap<string, string>> {
  const lines: string[] = [];
  for (const [structure, members] of declarations.structures) {
    lines.push(`say("size of ${structure}", sizeof(${structure}));`);
    for (const member of members) {
      lines.push(`say("offset of ${structure}.${member}", offsetof(${structure}, ${member}));`);
      lines.push(`say("size of ${structure}.${member}", sizeof(${structure}::${member}));`);
    }
  }
  for (const constant of declarations.constants) {
    lines.push(`say("${constant}", static_cast<unsigned long>(${constant}));`);
  }
  const source = `#include <cstddef>
#include <cstdio>
${includes.map((file) => `#include <${file}>`).join("\n")}
static void say(const char* fact, unsigned long value) { std::printf("%s = %lu\\n", fact, value); }
int main() {
  ${lines.join("\n  ")}
}
`;
  const file = join(folder, `${name}.cpp`);
  const program = join(folder, name);
  await writeFile(file, source);
  await exec("g++", ["-std=c++20", "-Wno-invalid-offsetof", `-I${include}`, "-o", program, file], {
    timeout: 100_000,
  });
  const { stdout } = await exec(program, [], { timeout: 10_000 });
  return new Map(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" = ") as [string, string]),
  );
}

describe("the PKCS#11 declarations of native/cryptoki", () => {
  test("are read whole: every structure, all 68 functions, every return value", () => {
    expect([...declarations.structures.keys()]).toEqual(
      expect.arrayContaining(["CK_ATTRIBUTE", "CK_TOKEN_INFO", "CK_FUNCTION_LIST", "CK_C_INITIALIZE_ARGS"]),
    );
    expect(declarations.structures.get("CK_FUNCTION_LIST")).toHaveLength(69);
    expect(declarations.structures.get("CK_TOKEN_INFO")).toHaveLength(18);
    expect(declarations.constants.length).toBeGreaterThan(80);
  });

  test("agree with p11-kit's header, size by size, offset by offset, constant by constant", () => {
    const corrected = new Map(theirs);
    for (const [name, number] of Object.entries(SPECIFICATION)) corrected.set(name, String(number));
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(corrected));
    expect(ours.size).toBeGreaterThan(200);
  });
});
