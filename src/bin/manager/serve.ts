/** /livez and /readyz, and /metrics, over plain HTTP. No secret and no name of one ever stands in an answer. */

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ListenAddress } from "./options.ts";

export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

export type Page = () => Promise<{ readonly ok: boolean; readonly text: string; readonly type?: string }>;

export async function servePages(
  address: ListenAddress,
  pages: Readonly<Record<string, Page>>,
): Promise<Listener> {
  const server = createServer((request, response) => {
    const page = pages[request.url?.split("?")[0] ?? ""];
    if (page === undefined) {
      end(response, 404, `Only ${Object.keys(pages).join(" and ")} are here.\n`);
      return;
    }
    page().then(
      ({ ok, text, type }) => end(response, ok ? 200 : 503, text, type),
      () => end(response, 500, "The page could not be made.\n"),
    );
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

function end(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  response.writeHead(status, { "content-type": type });
  response.end(text);
}
