/** /livez and /readyz over plain HTTP, for the kubelet. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ListenAddress } from "./options.ts";

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface Health {
  readonly ok: boolean;
  /** One sentence. */
  readonly text: string;
}

export async function serveHealth(
  address: ListenAddress,
  pages: { readonly live: () => Health; readonly ready: () => Health },
): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split("?")[0];
    const page = path === "/livez" ? pages.live() : path === "/readyz" ? pages.ready() : undefined;
    response.writeHead(page === undefined ? 404 : page.ok ? 200 : 503, {
      "content-type": "text/plain; charset=utf-8",
    });
    response.end(`${page?.text ?? "Only /livez and /readyz are here."}\n`);
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
