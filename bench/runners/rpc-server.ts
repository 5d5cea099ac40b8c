/**
 * The agent's side of rpc.bench.ts, in a process of its own: an agent that serves a mock, and beside it a bare HTTPS
 * server that answers the same bytes under the same certificates. Tells its processor time whenever it is asked.
 */
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createMockClient } from "../../src/hsm/mock/mock-client.ts";
import { TlsHolder, type TlsMaterial } from "../../src/rpc/material.ts";
import { serveAgent } from "../../src/rpc/server.ts";

export interface RpcServerStart {
  readonly material: TlsMaterial;
  readonly serialNumber: string;
  readonly path: string;
}

const [start] = (await once(process, "message")) as [RpcServerStart];
const { material, serialNumber, path } = start;
const client = await createMockClient({
  serialNumber,
  secrets: { [path]: { value: new Uint8Array(1024).fill(0x5a) } },
});
const agent = await serveAgent({ client, tls: new TlsHolder(material), host: "127.0.0.1", port: 0 });

let answer = "";
const bare = createServer(
  {
    cert: material.certificate,
    key: material.key,
    ca: material.authorities,
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: true,
    noDelay: true,
  },
  (request, response) => {
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
    });
    request.on("end", () => {
      if (size === 0) throw new Error("the request has no body");
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(answer),
      });
      response.end(answer);
    });
  },
);
bare.keepAliveTimeout = 75_000;
bare.listen(0, "127.0.0.1");
await once(bare, "listening");
process.send?.({ agent: agent.port, bare: (bare.address() as AddressInfo).port });

process.on("message", (message: string | { readonly answer: string }) => {
  if (message === "cpu") process.send?.(process.cpuUsage());
  else if (message !== "close" && typeof message === "object") {
    ({ answer } = message);
    process.send?.("ready");
  }
});
/** What the mock itself costs, with nothing of rpc around it. */
process.on("message", async (message: unknown) => {
  if (message !== "mock") return;
  const begun = process.cpuUsage();
  for (let i = 0; i < 2_000; i += 1) await client.read(path);
  const { user, system } = process.cpuUsage(begun);
  process.send?.((user + system) / 2_000);
});
await new Promise<void>((resolve) => {
  process.on("message", (message) => message === "close" && resolve());
  process.once("disconnect", resolve);
});
await agent.close();
bare.closeAllConnections();
bare.close();
await client.close();
if (process.connected) process.disconnect();
