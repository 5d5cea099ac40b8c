import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { edition, editionOf, TornError } from "../../src/local/check/editions.ts";
import { seededRandom } from "../../src/local/check/killer.ts";
import { FolderInUseError, lockFolder } from "../../src/local/lock.ts";
import { parseLocalArguments, UsageError } from "../../src/local/options.ts";
import { LocalPaths } from "../../src/local/paths.ts";
import { choosePorts } from "../../src/local/ports.ts";
import { formatDuration, formatUptime, Screen } from "../../src/local/screen.ts";
import { MissingProgramError, provideToken, readPin } from "../../src/local/token.ts";

let folder: string;
let paths: LocalPaths;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "local-"));
  paths = new LocalPaths(folder);
  paths.make();
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("the lock of a state folder", () => {
  it("refuses a second instance with a sentence that names the first", () => {
    const unlock = lockFolder(paths.lock, folder);
    expect(() => lockFolder(paths.lock, folder)).toThrow(FolderInUseError);
    expect(() => lockFolder(paths.lock, folder)).toThrow(
      `already runs in ${folder} (process ${process.pid})`,
    );
    unlock();
    lockFolder(paths.lock, folder)();
    expect(existsSync(paths.lock)).toBe(false);
  });

  it("takes over the lock of a process that ended, also when another has its number now", async () => {
    const child = spawn("true");
    await new Promise((resolve) => child.on("close", resolve));
    await writeFile(paths.lock, `${child.pid} boot/1\n`);
    lockFolder(paths.lock, folder)();
    await writeFile(paths.lock, `${process.pid} another-boot/1\n`);
    lockFolder(paths.lock, folder)();
    await writeFile(paths.lock, "cut");
    lockFolder(paths.lock, folder)();
  });
});

describe("the token", () => {
  it("is made once, its PIN is random, readable by its owner only, and comes back with the folder", async () => {
    const first = await provideToken(paths);
    const pin = readPin(paths);
    expect(pin).toMatch(/^\d{8}$/);
    expect((await stat(paths.pin)).mode & 0o777).toBe(0o600);
    const second = await provideToken(paths);
    expect([first.made, second.made]).toEqual([true, false]);
    expect([second.serialNumber, readPin(paths)]).toEqual([first.serialNumber, pin]);
    expect(first.serialNumber).toMatch(/^[0-9a-f]{16}$/);
  });

  it("names what is missing and the line that installs it", async () => {
    const missing = provideToken(paths, { modules: [], searchPath: "" });
    await expect(missing).rejects.toThrow(MissingProgramError);
    await expect(missing).rejects.toThrow("apt-get install softhsm2");
  });
});

describe("ports", () => {
  it("stay the same from run to run, and give way where somebody took one", async () => {
    const first = await choosePorts(paths.ports);
    expect(new Set(Object.values(first)).size).toBe(Object.values(first).length);
    expect(await choosePorts(paths.ports)).toEqual(first);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(first.agent, "127.0.0.1", resolve));
    const second = await choosePorts(paths.ports);
    other.close();
    expect(second.agent).not.toBe(first.agent);
    expect({ ...second, agent: 0 }).toEqual({ ...first, agent: 0 });
    expect(JSON.parse(await readFile(paths.ports, "utf8"))).toEqual(second);
  });
});

describe("flags", () => {
  it("have defaults, and help names all of them", () => {
    expect(parseLocalArguments([])).toEqual({
      kind: "run",
      options: { state: ".local", check: false, killSeed: undefined, logLevel: "info" },
    });
    const help = parseLocalArguments(["--help"]);
    for (const flag of ["--state", "--check", "--kill-seed", "--log-level", "Exit codes"]) {
      expect(help).toMatchObject({ kind: "print", text: expect.stringContaining(flag) });
    }
  });

  for (const [args, sentence] of [
    [["--nonsense"], "unknown option '--nonsense'"],
    [["--check", "--kill-seed", "x"], "whole number"],
    [["--kill-seed", "1"], "--kill-seed needs --check"],
    [["--log-level", "loud"], "Allowed choices"],
    [["extra"], "too many arguments"],
  ] as const) {
    it(`are refused with one sentence: ${args.join(" ")}`, () => {
      expect(() => parseLocalArguments(args)).toThrow(UsageError);
      expect(() => parseLocalArguments(args)).toThrow(sentence);
    });
  }
});

describe("the screen", () => {
  const record = (isTTY: boolean) => {
    const written: string[] = [];
    const screen = new Screen({ write: (text) => written.push(text), isTTY, columns: 20 });
    return { screen, text: () => written.join("") };
  };

  it("keeps the status below the lines on a terminal, cut to its width", () => {
    const { screen, text } = record(true);
    screen.status("up 1 s | everything is ready");
    screen.line("agent is back");
    expect(text()).toBe("up 1 s | everything\r\u001b[2Kagent is back\nup 1 s | everything");
  });

  it("prints lines only where there is no terminal", () => {
    const { screen, text } = record(false);
    screen.status("up 1 s");
    screen.step("started the agent", 12.3);
    expect(text()).toBe("    12 ms  started the agent\n");
  });

  it("shows durations as people say them", () => {
    expect([999, 1500, 61_000].map(formatDuration)).toEqual(["999 ms", "1.5 s", "1 min 1 s"]);
    expect([0, 9999, 61_500].map(formatUptime)).toEqual(["0 s", "9 s", "1 min 1 s"]);
  });
});

describe("the check's own means", () => {
  it("tell a whole edition from a torn one", () => {
    expect(editionOf({ ...edition(12) })).toBe(12);
    for (const torn of [
      { ...edition(12), password: "password-13" },
      { ...edition(12), large: (edition(12)["large"] ?? "").slice(0, -1) },
      { username: "user-12" },
      { ...edition(12), more: "" },
      {},
    ]) {
      expect(() => editionOf(torn)).toThrow(TornError);
    }
  });

  it("play the same kills for the same seed", () => {
    const numbers = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
  });
});
