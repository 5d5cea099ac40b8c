/** Looks at the token through the agent, as the manager does. */

import type { HistoryEntry, HsmClient } from "../hsm/client.ts";
import { AgentClient } from "../rpc/client.ts";
import { tlsFromFiles } from "../rpc/material.ts";
import { type CommandContext, loopback } from "./commands.ts";

export interface TokenSecret {
  readonly generation: number;
  readonly deleted: boolean;
  readonly data: Readonly<Record<string, string>>;
}

export class TokenReader {
  readonly #client: HsmClient;
  readonly #close: () => void;

  private constructor(client: HsmClient, close: () => void) {
    this.#client = client;
    this.#close = close;
  }

  static async open(context: CommandContext): Promise<TokenReader> {
    const { ports, token, certificates, poolUid } = context;
    const tls = await tlsFromFiles({ ...certificates.manager, authorities: certificates.authority });
    const identity = { serialNumber: token.serialNumber, poolUid };
    const client = new AgentClient({ address: loopback(ports.agent), identity, tls });
    return new TokenReader(client, () => tls.close());
  }

  /** `undefined` when nothing is at the path, not even a tombstone. */
  async read(path: string, signal?: AbortSignal): Promise<TokenSecret | undefined> {
    const result = await this.#client.read(path, { signal });
    if (result.state === "absent") return undefined;
    const { generation, deleted, keys } = result.record;
    const text = keys.map(([key, value]) => [key, Buffer.from(value).toString("utf8")] as const);
    return { generation, deleted, data: Object.fromEntries(text) };
  }

  /** Values of an earlier generation. */
  async readGeneration(
    path: string,
    generation: number,
  ): Promise<Readonly<Record<string, string>> | undefined> {
    const result = await this.#client.read(path, { generation });
    if (result.state === "absent") return undefined;
    return Object.fromEntries(
      result.record.keys.map(([key, value]) => [key, Buffer.from(value).toString("utf8")] as const),
    );
  }

  history(path: string): Promise<readonly HistoryEntry[]> {
    return this.#client.history(path);
  }

  async close(): Promise<void> {
    await this.#client.close();
    this.#close();
  }
}
