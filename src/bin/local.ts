#!/usr/bin/env node
/** The whole operator on this machine: flags in, one call out. */

import { runCheck } from "../local/check/run.ts";
import { parseLocalArguments, UsageError } from "../local/options.ts";
import { Screen } from "../local/screen.ts";
import { serve } from "../local/serve.ts";

const stop = new AbortController();
// The first Ctrl-C stops everything in order; a second one does not wait.
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () =>
    stop.signal.aborted ? process.exit(130) : stop.abort(new Error("stopped by a signal")),
  );
}

try {
  const parsed = parseLocalArguments(process.argv.slice(2));
  const screen = new Screen(process.stdout);
  if (parsed.kind === "print") {
    process.stdout.write(parsed.text);
  } else if (parsed.options.check) {
    const { passed, failed } = await runCheck({
      screen,
      killSeed: parsed.options.killSeed,
      signal: stop.signal,
    });
    screen.line(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 ? 0 : 1;
  } else {
    await serve({ ...parsed.options, screen, signal: stop.signal });
  }
} catch (error) {
  process.stderr.write(`local: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
