#!/usr/bin/env node
/** The agent's command line: flags in, one call out. */

import { parseAgentArguments } from "../agent/options.ts";
import { explainFailure, runAgent } from "../agent/run.ts";
import { createLogger } from "../telemetry/log.ts";

try {
  const parsed = parseAgentArguments(process.argv.slice(2));
  if (parsed.kind === "print") {
    process.stdout.write(parsed.text);
  } else {
    const log = createLogger({ name: "agent", level: parsed.options.logLevel });
    const agent = await runAgent(parsed.options, { log });
    const stop = (): void => void agent.stop().then(() => process.exit(0));
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
  }
} catch (error) {
  const { exitCode, sentence } = explainFailure(error);
  process.stderr.write(`agent: ${sentence}\n`);
  process.exitCode = exitCode;
}
