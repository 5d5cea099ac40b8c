/** Through an agent in a process of its own, over mutual TLS. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import {
  createAuthority,
  issueAgentCertificate,
  issueManagerCertificate,
} from "../../src/rpc/certificates.ts";
import { AgentClient } from "../../src/rpc/client.ts";
import { TlsHolder } from "../../src/rpc/material.ts";
import { serve } from "./serve.ts";
import { placeFrom, secretOperations } from "./store.ts";

const place = placeFrom(process.argv.slice(2));
const identity = { serialNumber: place.serialNumber, poolUid: "bench" };
const authority = await createAuthority();
const authorities = authority.certificate;
const server = fork(fileURLToPath(new URL("agent-server.ts", import.meta.url)), process.argv.slice(2), {
  stdio: ["ignore", "inherit", "inherit", "ipc"],
});
server.send({ ...(await issueAgentCertificate(authority, identity)), authorities });
const [port] = (await once(server, "message")) as [number];
const client = new AgentClient({
  address: `127.0.0.1:${port}`,
  identity,
  tls: new TlsHolder({ ...(await issueManagerCertificate(authority)), authorities }),
});
try {
  await serve({ ...(await secretOperations(client, place.serialNumber)) });
} finally {
  await client.close();
  server.send("close");
}
