/** `npm run conformance -- <files> --module <library>`: plays recordings against a module and tells what differs. */
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildStub, type StubBuild } from "../../stub.ts";
import { describe } from "./differences.ts";
import { type Environment, foreignEnvironment, softHsmEnvironment, stubEnvironment } from "./environment.ts";
import { runRecordings } from "./run.ts";

const USAGE = `Usage: npm run conformance -- <recording.ndjson>... --module <library|stub> [options]

Plays recorded PKCS#11 calls against a module and prints every difference by story and line.

  --module <path>   the PKCS#11 library, or "stub" for the stub library of this project
  --story <name>    play this story only; may be given several times
  --reset <program> run before each story to make the token fresh; needed for any module but SoftHSM2 and the stub.
                    It must leave a token with user PIN 648219, SO PIN 3537363231383830 and no objects. ALL OBJECTS
                    on that token are lost.
  --costs           also tell where the number of card commands differs (stub only)
`;

/** Returns the exit code: 0 when nothing differs, 1 when something does, 2 for bad arguments. */
export async function main(args: readonly string[]): Promise<number> {
  const parsed = parse(args);
  if (typeof parsed === "string") {
    process.stderr.write(`${parsed}\n`);
    return 2;
  }
  const { files, values } = parsed;
  const stories = new Set(values.story ?? []);
  const environment = chooseEnvironment(await buildStub(), values.module, values.reset);
  const result = await runRecordings({
    files,
    environment,
    parallel: values.reset === undefined ? 2 : 1,
    select: (story) => stories.size === 0 || stories.has(story.name),
  });
  for (const difference of result.differences) {
    process.stdout.write(
      `${difference.recording} ${difference.story} ${difference.i} ${describe(difference)}\n`,
    );
  }
  for (const story of result.left) {
    process.stdout.write(`${story.recording} ${story.story} is not played: ${story.reason}\n`);
  }
  if (values.costs === true) for (const line of result.costs) process.stdout.write(`cost: ${line}\n`);
  const same = result.stories - result.storiesWithDifferences;
  process.stdout.write(
    `${result.calls} calls in ${result.stories} stories: ${same} stories as recorded, ${result.storiesWithDifferences} not (${result.differences.length} differences)\n`,
  );
  return result.differences.length === 0 ? 0 : 1;
}

function parse(args: readonly string[]) {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        module: { type: "string" },
        story: { type: "string", multiple: true },
        reset: { type: "string" },
        costs: { type: "boolean" },
      },
    });
    const { module } = values;
    if (module === undefined) return `--module is missing.\n\n${USAGE}`;
    if (module !== "stub" && !existsSync(module)) return `there is no library ${module}`;
    if (positionals.length === 0) return `no recording is named.\n\n${USAGE}`;
    const missing = positionals.find((file) => !existsSync(file));
    if (missing !== undefined) return `there is no recording ${missing}`;
    if (module !== "stub" && !isSoftHsm(module) && values.reset === undefined) {
      return `${module} needs --reset: each story begins with a fresh token.`;
    }
    return { files: positionals.map((file) => resolve(file)), values: { ...values, module } };
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`;
  }
}

function isSoftHsm(module: string): boolean {
  return basename(module).includes("softhsm");
}

function chooseEnvironment(build: StubBuild, module: string, reset: string | undefined): Environment {
  if (module === "stub") return stubEnvironment(build);
  if (isSoftHsm(module)) return softHsmEnvironment(build.playerPath, resolve(module));
  return foreignEnvironment(build.playerPath, resolve(module), reset);
}
