/**
 * The key of the checksums: kept in a Secret of the operator's namespace and in `_pool` on the tokens, made once,
 * restored from a token, never replaced silently. The decision is src/pool/checksum-key.ts; this asks and writes.
 */

import { randomBytes } from "node:crypto";
import { CHECKSUM_KEY_BYTES } from "../../hsm/record/checksum.ts";
import type { KubeClient } from "../../kube/client.ts";
import { type Clock, sleep } from "../../kube/clock.ts";
import { isAlreadyExists, KubeError } from "../../kube/error.ts";
import { SECRETS } from "../../kube/resources.ts";
import { decideChecksumKey, type TokenKey } from "../../pool/checksum-key.ts";
import type { PoolDevice } from "../../pool/create.ts";
import type { Logger } from "../../telemetry/log.ts";

export const CHECKSUM_KEY_SECRET = "hsm-checksum-key";
const DATA_KEY = "key";

export interface ChecksumKeyOptions {
  readonly client: Pick<KubeClient, "find" | "create">;
  readonly namespace: string;
  readonly devices: readonly PoolDevice[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Somebody has to decide which key is right. */
export class ChecksumKeyError extends Error {
  override readonly name = "ChecksumKeyError";
  readonly code = "CHECKSUM_KEY";
}

const SHORTEST_WAIT = 500;
const LONGEST_WAIT = 15_000;

/** Waits while a device that may hold the key is away; `undefined` when the signal aborts first. */
export async function checksumKey(
  options: ChecksumKeyOptions,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { log, clock } = options;
  let pause = SHORTEST_WAIT;
  let told = "";
  while (!signal.aborted) {
    const [secret, tokens] = await Promise.all([
      readSecret(options, signal),
      askTokens(options.devices, signal),
    ]);
    const decision = decideChecksumKey(secret, tokens);
    switch (decision.kind) {
      case "use":
        if (decision.differing.length > 0) {
          log.warn("tokens keep another key of checksums: they are read, never written", {
            devices: decision.differing,
          });
        }
        return decision.key;
      case "restore":
        if (await writeSecret(options, decision.key, signal)) {
          log.info("restored the key of checksums from a token", { secret: CHECKSUM_KEY_SECRET });
        }
        break;
      case "create":
        // Crash after it: the Secret is there and is used. The tokens learn the key at their first write.
        if (await writeSecret(options, randomBytes(CHECKSUM_KEY_BYTES), signal)) {
          log.info("made the key of checksums", { secret: CHECKSUM_KEY_SECRET });
        }
        break;
      case "stuck":
        throw new ChecksumKeyError(decision.message);
      case "wait":
        if (decision.message !== told) log.warn(decision.message);
        told = decision.message;
        await sleep(clock, pause, signal);
        pause = Math.min(pause * 2, LONGEST_WAIT);
        break;
    }
  }
  return undefined;
}

async function readSecret(options: ChecksumKeyOptions, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const { client, namespace } = options;
  const secret = await client.find(SECRETS, { namespace, name: CHECKSUM_KEY_SECRET }, { signal });
  if (secret === undefined) return undefined;
  return Buffer.from(secret.data?.[DATA_KEY] ?? "", "base64");
}

/** False when somebody else was quicker: the next look finds theirs. Created, never replaced. */
async function writeSecret(
  options: ChecksumKeyOptions,
  key: Uint8Array,
  signal: AbortSignal,
): Promise<boolean> {
  const { client, namespace } = options;
  try {
    await client.create(
      SECRETS,
      {
        metadata: {
          namespace,
          name: CHECKSUM_KEY_SECRET,
          labels: { "app.kubernetes.io/managed-by": "hsm-secrets-operator" },
          annotations: {
            "hsm.j5t.io/description":
              "Key of the checksums in the status of HSMSecrets. Without it they cannot be compared: do not delete it.",
          },
        },
        data: { [DATA_KEY]: Buffer.from(key).toString("base64") },
      },
      { signal },
    );
    return true;
  } catch (error) {
    if (isAlreadyExists(error)) return false;
    if (error instanceof KubeError && error.status === 404) {
      throw new ChecksumKeyError(
        `The operator's namespace ${namespace} does not exist: create it, or name another with --namespace.`,
        { cause: error },
      );
    }
    throw error;
  }
}

function askTokens(devices: readonly PoolDevice[], signal: AbortSignal): Promise<readonly TokenKey[]> {
  return Promise.all(
    devices.flatMap(({ name, agents }) =>
      agents.map(async ({ client, serialNumber }): Promise<TokenKey> => {
        const device = agents.length === 1 ? name : `${name} (${serialNumber})`;
        try {
          const pool = await client.pool({ signal });
          const answer =
            pool === undefined
              ? ({ kind: "none" } as const)
              : { kind: "key" as const, key: pool.checksumKey };
          return { device, answer };
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          return { device, answer: { kind: "unknown", message } };
        }
      }),
    ),
  );
}
