#!/usr/bin/env node
// Brings a fresh clone to where it can run: Debian packages, npm packages, the addon, the compiled TypeScript.
// Plain JavaScript without dependencies, because it runs before there are any. Each step is skipped while its
// inputs have not changed, so that a second run costs a fraction of a second.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const stampFolder = join(root, ".cache", "setup");

/** Debian and Ubuntu packages, and a file that tells that each is there (dpkg may be absent elsewhere). */
const PACKAGES = {
  local: [
    ["g++", "/usr/bin/g++"],
    ["make", "/usr/bin/make"],
    ["python3", "/usr/bin/python3"],
    ["softhsm2", "/usr/bin/softhsm2-util"],
  ],
  test: [
    ["cmake", "/usr/bin/cmake"],
    ["libgtest-dev", "/usr/include/gtest/gtest.h"],
    ["opensc", "/usr/bin/pkcs11-tool"],
    ["libp11-kit-dev", "/usr/include/p11-kit-1/p11-kit/pkcs11.h"],
  ],
  long: [["valgrind", "/usr/bin/valgrind"]],
  // libFuzzer is clang's alone; not part of any other purpose, because it is large.
  fuzz: [
    ["clang", "/usr/bin/clang++"],
    ["libclang-rt-dev", "/usr/share/doc/libclang-rt-dev"],
  ],
  // The other architecture's compiler, and what runs its programs here.
  prebuild:
    process.arch === "arm64"
      ? [["g++-x86-64-linux-gnu", "/usr/bin/x86_64-linux-gnu-g++"]]
      : [
          ["g++-aarch64-linux-gnu", "/usr/bin/aarch64-linux-gnu-g++"],
          ["qemu-user", "/usr/bin/qemu-aarch64"],
        ],
};

/** Which lists a purpose needs. */
const PURPOSES = {
  local: ["local"],
  test: ["local", "test"],
  prebuild: ["local", "prebuild"],
  long: ["local", "test", "prebuild", "long"],
  fuzz: ["local", "test", "fuzz"],
};

const HELP = `Usage: node scripts/setup.mjs [--for local|test|prebuild|long|fuzz] [--skip-apt]

Installs what the project needs, builds the addon and compiles the TypeScript; skips what is up to date.

  --for local   what \`npm run local\` needs (default)
  --for test    what \`npm test\` needs as well
  --for prebuild  what \`npm run prebuilds\` needs: the compiler of the other architecture
  --for long    what \`npm run test:long\` needs: all of it
  --for fuzz    what \`npm run fuzz\` needs: clang
  --skip-apt    do not look for system packages
`;

function main() {
  const options = parseArguments(process.argv.slice(2));
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old: 20.19 or newer is needed.`);
  }
  if (!options.skipApt) installPackages(options.purpose);
  const dependenciesChanged = installDependencies();
  buildAddon(dependenciesChanged);
  compile();
}

function parseArguments(args) {
  const options = { purpose: "local", skipApt: false };
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === "--help" || args[i] === "-h") {
      process.stdout.write(HELP);
      process.exit(0);
    } else if (args[i] === "--for" && Object.hasOwn(PURPOSES, args[i + 1] ?? "")) {
      options.purpose = args[i + 1];
      i += 1;
    } else if (args[i] === "--skip-apt") {
      options.skipApt = true;
    } else {
      fail(
        `setup: unknown argument ${JSON.stringify(args[i])}; allowed are --for local|test|prebuild|long|fuzz, --skip-apt, --help.`,
      );
    }
  }
  return options;
}

function installPackages(purpose) {
  const wanted = PURPOSES[purpose].flatMap((list) => PACKAGES[list]);
  const missing = wanted.filter(([, file]) => !existsSync(file)).map(([name]) => name);
  if (missing.length === 0) return;
  const line = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  const prefix = aptPrefix();
  if (prefix === undefined) {
    fail(`Missing: ${missing.join(", ")}. Run this once, then again what you ran:\n  sudo sh -c '${line}'`);
  }
  step(`installing Debian packages: ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  run([...prefix, "apt-get", "update", "-qq"], { env });
  run([...prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", ...missing], { env });
}

/** How apt-get can be run: as root, by sudo without a password, or not at all (undefined). */
function aptPrefix() {
  if (!existsSync("/usr/bin/apt-get")) return undefined;
  if (process.getuid?.() === 0) return [];
  const sudo = spawnSync("sudo", ["-n", "true"], { stdio: "ignore" });
  return sudo.status === 0 ? ["sudo", "-n"] : undefined;
}

function installDependencies() {
  // Of package.json only what npm ci reads: a changed script is no reason to take everything away and put it back.
  const { dependencies, devDependencies, overrides, allowScripts } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  );
  const wanted = JSON.stringify({ dependencies, devDependencies, overrides, allowScripts });
  const key = createHash("sha256")
    .update(wanted)
    .update(hashFiles([join(root, "package-lock.json")]))
    .digest("hex");
  if (stamped("npm", key) && existsSync(join(root, "node_modules", ".package-lock.json"))) return false;
  step("installing npm packages");
  run(["npm", "ci", "--no-audit", "--no-fund"], {});
  stamp("npm", key);
  return true;
}

/**
 * Built aside and moved into its place in one step: a process that runs keeps the file that it has loaded, and one that
 * starts finds the old addon or the new one, whole, also when this build fails.
 */
function buildAddon(force) {
  const inputs = [join(root, "binding.gyp"), ...filesBelow(join(root, "native"), /\.(cc|h|S|c)$/, ["test"])];
  const key = `${hashFiles(inputs)} ${process.versions.modules} ${process.arch}`;
  const output = join(root, "build", "Release", "hsm_addon.node");
  if (!force && stamped("addon", key) && existsSync(output)) return;
  step("building the native addon");
  const aside = join(root, ".cache", "addon");
  mkdirSync(aside, { recursive: true });
  copyFileSync(join(root, "binding.gyp"), join(aside, "binding.gyp"));
  if (!existsSync(join(aside, "native"))) symlinkSync(join("..", "..", "native"), join(aside, "native"));
  const headers = headerFolder();
  const nodedir = headers === undefined ? [] : [`--nodedir=${headers}`];
  const gyp = (...args) =>
    run(
      [
        // One at a time: two builds in one folder break each other.
        ...(existsSync("/usr/bin/flock") ? ["/usr/bin/flock", join(aside, "lock")] : []),
        process.execPath,
        join(root, "node_modules", "node-gyp", "bin", "node-gyp.js"),
        ...args,
        "--loglevel=warn",
        "-j",
        "2",
        ...nodedir,
      ],
      { env: { ...process.env, npm_config_nodedir: headers ?? "" }, cwd: aside },
    );
  // What was compiled for this very Node serves again; make knows which files have changed.
  const made = `${process.version} ${process.arch} ${headers ?? ""} ${hashFiles([join(root, "package-lock.json")])}`;
  if (!stamped("addon-made", made)) {
    gyp("clean");
    stamp("addon-made", made);
  }
  gyp("configure");
  gyp("build");
  mkdirSync(dirname(output), { recursive: true });
  const next = `${output}.${process.pid}.node`;
  copyFileSync(join(aside, "build", "Release", "hsm_addon.node"), next);
  // A source that is missing in binding.gyp shows only when the addon is loaded.
  run([process.execPath, "-e", `require(${JSON.stringify(next)})`], {});
  renameSync(next, output);
  stamp("addon", key);
}

/** The folder whose include/node fits this Node: the environment's, else that of the running binary. */
function headerFolder() {
  const named = process.env.npm_config_nodedir ?? process.env.NODE_GYP_NODEDIR;
  const candidates = [named, resolve(dirname(process.execPath), "..")].filter(Boolean);
  return candidates.find((folder) => headerVersion(folder) === process.versions.node);
}

function headerVersion(folder) {
  try {
    const text = readFileSync(join(folder, "include", "node", "node_version.h"), "utf8");
    const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
    return `${part("MAJOR")}.${part("MINOR")}.${part("PATCH")}`;
  } catch {
    return undefined; // No headers there: the next candidate, or node-gyp's own way.
  }
}

function compile() {
  const inputs = [
    join(root, "tsconfig.json"),
    join(root, "tsconfig.build.json"),
    join(root, "package-lock.json"),
    ...filesBelow(join(root, "src"), /\.tsx?$/, []).filter((name) => !name.endsWith(".test.ts")),
  ];
  const key = hashFiles(inputs);
  if (stamped("tsc", key) && existsSync(join(root, "dist"))) return;
  step("compiling TypeScript");
  run(
    [process.execPath, join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"],
    {},
  );
  stamp("tsc", key);
}

function filesBelow(folder, pattern, skip) {
  if (!existsSync(folder)) return [];
  const found = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const name = join(folder, entry.name);
    if (entry.isDirectory() && !skip.includes(entry.name)) found.push(...filesBelow(name, pattern, skip));
    else if (entry.isFile() && pattern.test(entry.name)) found.push(name);
  }
  return found.sort();
}

function hashFiles(names) {
  const hash = createHash("sha256");
  for (const name of names) {
    hash.update(`${name.slice(root.length)}\0`);
    if (existsSync(name) && statSync(name).isFile()) hash.update(readFileSync(name));
  }
  return hash.digest("hex");
}

function stamped(name, key) {
  const file = join(stampFolder, name);
  return existsSync(file) && readFileSync(file, "utf8") === key;
}

function stamp(name, key) {
  mkdirSync(stampFolder, { recursive: true });
  writeFileSync(join(stampFolder, name), key);
}

function step(text) {
  process.stderr.write(`[setup] ${text}\n`);
}

function run(command, { env = process.env, cwd = root }) {
  const [file, ...args] = command;
  const result = spawnSync(file, args, { cwd, env, stdio: ["ignore", 2, 2] });
  if (result.error !== undefined) fail(`${file} cannot be started: ${result.error.message}`);
  if (result.status !== 0) fail(`this failed (exit code ${result.status}): ${command.join(" ")}`);
}

function fail(text) {
  process.stderr.write(`[setup] ${text}\n`);
  process.exit(1);
}

main();
