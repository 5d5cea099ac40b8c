#!/usr/bin/env node
// Writes what is generated from the sources: crds/*.yaml from src/crd/. `--check` writes nothing and fails when a
// file differs from what would be written.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { tsImport } from "tsx/esm/api";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

const unknown = process.argv.slice(2).filter((argument) => argument !== "--check");
if (unknown.length > 0) {
  process.stderr.write(`generate: unknown argument ${JSON.stringify(unknown[0])}; allowed is --check.\n`);
  process.exit(2);
}
const check = process.argv.includes("--check");

const { generatedFiles } = await tsImport("../src/crd/generate.ts", import.meta.url);
let stale = 0;
for (const { name, content } of generatedFiles()) {
  const file = join(root, name);
  const current = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  if (current === content) continue;
  stale += 1;
  if (check) {
    process.stderr.write(`generate: ${name} is out of date; run \`npm run generate\`.\n`);
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    process.stdout.write(`wrote ${name}\n`);
  }
}
if (check && stale > 0) process.exit(1);
