#!/usr/bin/env node
/** The command line of discovery: flags in, one call out. */

import { parseDiscoveryArguments, UsageError } from "../discovery/options.ts";
import { runDiscovery } from "../discovery/run.ts";
import { createLogger } from "../telemetry/log.ts";

try {
  const parsed = parseDiscoveryArguments(process.argv.slice(2));
  if (parsed.kind === "print") {
    process.stdout.write(parsed.text);
  } else {
    const log = createLogger({ name: "discovery", level: parsed.options.logLevel });
    const stop = new AbortController();
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.on(name, () => {
        // Asked twice: whoever asks does not want to wait for what is under way.
        if (stop.signal.aborted) process.exit(1);
        log.info("stopping", { signal: name });
        stop.abort();
      });
    }
    await runDiscovery(parsed.options, log, stop.signal);
    process.exit(0);
  }
} catch (error) {
  process.stderr.write(`discovery: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
