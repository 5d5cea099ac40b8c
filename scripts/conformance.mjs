#!/usr/bin/env node
// Replays recordings of the real thing: PKCS#11 calls against a library (--module), Kubernetes requests against an
// API server otherwise. Each replayer reads its own arguments; this only chooses.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { register } from "tsx/esm/api";

const folder = join(resolve(dirname(fileURLToPath(import.meta.url)), ".."), "test", "conformance");
const args = process.argv.slice(2);
const wantsModule = args.some((arg) => arg === "--module" || arg.startsWith("--module="));
const cli = join(folder, wantsModule ? "cryptoki" : "kube", "cli.ts");

if (!existsSync(cli)) {
  process.stderr.write(
    "conformance: --module <library> is missing; there is no replayer for anything else.\n",
  );
  process.exit(2);
}
register();
const { main } = await import(pathToFileURL(cli).href);
process.exitCode = await main(args);
