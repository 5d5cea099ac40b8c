/** Runs the API server as a process of its own: `main.ts --data-dir DIR --listen HOST:PORT --kubeconfig-out FILE`. */

import { parseArgs } from "node:util";
import { writeSecretFile } from "./credentials.ts";
import { createApiServer } from "./server.ts";

const USAGE = "usage: main.js [--data-dir DIR] [--listen HOST:PORT] [--kubeconfig-out FILE] [--rbac]";

function readFlags() {
  const { values } = parseArgs({
    options: {
      "data-dir": { type: "string" },
      listen: { type: "string", default: "127.0.0.1:0" },
      "kubeconfig-out": { type: "string" },
      rbac: { type: "boolean", default: false },
    },
  });
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(values.listen);
  if (match === null) throw new TypeError(`--listen must be HOST:PORT, got ${JSON.stringify(values.listen)}`);
  const host = match[1] ?? match[2] ?? "";
  return {
    dataDir: values["data-dir"],
    listen: { host, port: Number(match[3]) },
    rbac: values.rbac,
    kubeconfigOut: values["kubeconfig-out"],
  };
}

async function main(): Promise<void> {
  const { kubeconfigOut, ...options } = readFlags();
  const server = await createApiServer(options);
  if (kubeconfigOut !== undefined) writeSecretFile(kubeconfigOut, server.kubeconfig());
  const stop = (): void => {
    server.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  process.stdout.write(`${JSON.stringify({ ready: true, url: server.url, pid: process.pid })}\n`);
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    `API server cannot start: ${message}\n${error instanceof TypeError ? `${USAGE}\n` : ""}`,
  );
  process.exitCode = 1;
});
