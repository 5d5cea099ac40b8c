#!/usr/bin/env node
// Builds the addon for each architecture into <out>/prebuilds, where the loader (src/addon.ts) finds it. Each is built
// in a copy of the sources, so that build/ stays what it is: this machine's own.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Debian's tools for an architecture that is not this machine's. */
const CROSS = { arm64: "aarch64-linux-gnu-", x64: "x86_64-linux-gnu-" };

const HELP = `Usage: node scripts/prebuild.mjs [--out <folder>] [x64] [arm64]

Builds prebuilds/linux-<arch>/*.node (N-API 9, glibc) for both architectures, or for those that are named.
`;

function main(args) {
  let out = root;
  const wanted = [];
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === "--help" || args[i] === "-h") return process.stdout.write(HELP);
    if (args[i] === "--out" && args[i + 1] !== undefined) {
      i += 1;
      out = resolve(args[i]);
    } else if (args[i] in CROSS) {
      wanted.push(args[i]);
    } else {
      fail(`unknown argument ${JSON.stringify(args[i])}; allowed are --out <folder>, x64, arm64, --help.`);
    }
  }
  for (const arch of wanted.length === 0 ? Object.keys(CROSS) : wanted) build(arch, out);
}

function build(arch, out) {
  const folder = join(root, ".cache", "prebuild", arch);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ["native", "binding.gyp", "package.json"])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));

  const prefix = arch === process.arch ? "" : CROSS[arch];
  const tools =
    prefix === "" ? {} : { CC: `${prefix}gcc`, CXX: `${prefix}g++`, AR: `${prefix}ar`, LINK: `${prefix}g++` };
  if (prefix !== "" && !existsSync(`/usr/bin/${prefix}g++`)) {
    fail(`there is no /usr/bin/${prefix}g++: run \`node scripts/setup.mjs --for prebuild\`.`);
  }
  // The headers beside this Node, when they are there; else node-gyp gets them its own way. Any version's do: the
  // addon uses nothing but N-API 9.
  const headers = process.env.npm_config_nodedir ?? resolve(dirname(process.execPath), "..");
  const nodedir = existsSync(join(headers, "include", "node", "node_api.h"))
    ? { npm_config_nodedir: headers }
    : {};
  process.stderr.write(`[prebuild] linux-${arch}\n`);
  const program = join(root, "node_modules", "prebuildify", "bin.js");
  const options = [
    ...[
      "--napi",
      "--tag-libc",
      "--arch",
      arch,
      "--platform",
      "linux",
      "--target",
      `node@${process.versions.node}`,
    ],
    ...["--strip", "--strip-bin", `${prefix}strip`, "--out", out],
  ];
  const result = spawnSync(process.execPath, [program, ...options], {
    cwd: folder,
    env: { ...process.env, ...tools, ...nodedir, PREBUILD_LIBC: "glibc", JOBS: "2" },
    stdio: ["ignore", 2, 2],
  });
  if (result.status !== 0) fail(`the build for ${arch} failed (exit code ${result.status}).`);
}

function fail(text) {
  process.stderr.write(`[prebuild] ${text}\n`);
  process.exit(1);
}

main(process.argv.slice(2));
