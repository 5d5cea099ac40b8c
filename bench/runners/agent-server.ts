/** The agent's side of agent.ts: serves a token until it is told to close. */
import { once } from "node:events";
import { TlsHolder, type TlsMaterial } from "../../src/rpc/material.ts";
import { serveAgent } from "../../src/rpc/server.ts";
import { openStore, placeFrom } from "./store.ts";

const [material] = (await once(process, "message")) as [TlsMaterial];
const { client } = await openStore(placeFrom(process.argv.slice(2)));
const server = await serveAgent({ client, tls: new TlsHolder(material), host: "127.0.0.1", port: 0 });
process.send?.(server.port);
await Promise.race([once(process, "message"), once(process, "disconnect")]);
await server.close();
await client.close();
process.disconnect?.();
