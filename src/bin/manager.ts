#!/usr/bin/env node
/** The manager's command line: flags in, one call out. */

import { createLogger } from "../telemetry/log.ts";
import { parseManagerArguments } from "./manager/options.ts";
import { explainFailure, runManager } from "./manager/run.ts";

try {
  const parsed = parseManagerArguments(process.argv.slice(2));
  if (parsed.kind === "print") {
    process.stdout.write(parsed.text);
  } else {
    const log = createLogger({ name: "manager", level: parsed.options.logLevel });
    const stop = new AbortController();
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.on(name, () => {
        // Asked twice: whoever asks does not want to wait for what is under way.
        if (stop.signal.aborted) process.exit(1);
        log.info("stopping", { signal: name });
        stop.abort();
      });
    }
    await runManager(parsed.options, log, stop.signal);
    process.exit(0);
  }
} catch (error) {
  const { exitCode, sentence } = explainFailure(error);
  process.stderr.write(`manager: ${sentence}\n`);
  process.exit(exitCode);
}
