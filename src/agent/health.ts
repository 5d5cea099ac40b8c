/** /livez and /readyz over plain HTTP, for the kubelet: no secret and no name of one ever stands in an answer. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ListenAddress } from "./options.ts";
import type { TokenStatus } from "./token-life.ts";

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * `/livez` fails while the token hangs, so that the kubelet restarts the agent: nothing else frees a call that does
 * not return. `/readyz` fails while there is no token that is logged in, and while the agent drains.
 */
export async function serveHealth(
  address: ListenAddress,
  status: () => TokenStatus,
  draining: () => boolean,
): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const { state, ...rest } = status();
    const reason = "reason" in rest ? rest.reason : "";
    const path = request.url?.split("?")[0];
    const answer = (ok: boolean, text: string): void => {
      response.writeHead(ok ? 200 : 503, { "content-type": "text/plain; charset=utf-8" });
      response.end(`${text}\n`);
    };
    if (path === "/livez") answer(state !== "hung", state === "hung" ? `The token hangs: ${reason}` : "ok");
    else if (path === "/readyz") {
      if (draining()) answer(false, "The agent is stopping.");
      else answer(state === "open", state === "open" ? "ok" : reason);
    } else {
      response.writeHead(404, { "content-type": "text/plain; charset=utf-8" });
      response.end("Only /livez and /readyz are here.\n");
    }
  });
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
