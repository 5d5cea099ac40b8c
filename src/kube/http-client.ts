/** The KubeClient of programs that call much: over undici, which costs 20 MB. See small-transport.ts for the others. */

import type { KubeClient } from "./client.ts";
import { createKubeClientOver, type KubeClientOptions } from "./client-over.ts";
import type { Connection } from "./connection.ts";
import { createTransport } from "./transport.ts";

export type { KubeClientOptions } from "./client-over.ts";

export function createKubeClient(connection: Connection, options: KubeClientOptions): KubeClient {
  return createKubeClientOver(createTransport(connection), connection, options);
}
