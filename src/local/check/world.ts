/** Both sides of the check as a user sees them, with patience: a program that was just killed makes calls fail. */

import { setTimeout as pause } from "node:timers/promises";
import type { KubeClient } from "../../kube/client.ts";
import { isNotFound } from "../../kube/error.ts";
import { SECRETS } from "../../kube/resources.ts";
import { dataOf, HSM_SECRETS, type HsmSecret, sameData, type TextData, untilObject } from "../cluster.ts";
import type { LocalSession } from "../session.ts";
import { writeOnToken } from "../test-hsm.ts";
import type { TokenReader } from "../token-reader.ts";
import { edition, editionOf, TornError } from "./editions.ts";

const POLL = 25;

export type Ref = { readonly namespace: string; readonly name: string };

export function pathOf(ref: Ref): string {
  return `secrets/${ref.namespace}/${ref.name}`;
}

export function condition(object: HsmSecret | undefined, type: string): string | undefined {
  return object?.status?.conditions?.find((item) => item.type === type)?.status;
}

export class World {
  readonly #session: LocalSession;
  readonly #client: KubeClient;
  readonly #token: TokenReader;

  constructor(session: LocalSession, token: TokenReader) {
    this.#session = session;
    this.#client = session.client;
    this.#token = token;
  }

  /** Again and again, as a person would whose command failed because the agent was away. */
  writeToken(ref: Ref, number: number, signal: AbortSignal): Promise<void> {
    return this.#retry(`edition ${number} cannot be written on the token`, signal, () =>
      writeOnToken(this.#session.context, pathOf(ref), edition(number)),
    );
  }

  editSecret(ref: Ref, number: number, signal: AbortSignal): Promise<void> {
    const data = Object.entries(edition(number)).map(([key, value]) => [
      key,
      Buffer.from(value).toString("base64"),
    ]);
    const body = { data: Object.fromEntries(data) };
    return this.#retry(`edition ${number} cannot be written into the Secret`, signal, async () => {
      await this.#client.patch(SECRETS, ref, { type: "merge", body }, { signal });
    });
  }

  annotate(ref: Ref, annotations: TextData, signal: AbortSignal): Promise<void> {
    return this.#retry("the HSMSecret cannot be annotated", signal, async () => {
      await this.#client.patch(
        HSM_SECRETS,
        ref,
        { type: "merge", body: { metadata: { annotations } } },
        { signal },
      );
    });
  }

  async secretIs(ref: Ref, number: number, signal: AbortSignal): Promise<void> {
    let last = "it is absent";
    const accepts = (secret: Parameters<typeof dataOf>[0]) => {
      const data = dataOf(secret);
      last = data === undefined ? "it is absent" : `it has edition ${editionOf(data)}`;
      return sameData(data, edition(number));
    };
    await explain(
      untilObject(this.#client, SECRETS, ref, accepts, signal),
      signal,
      () => `The Secret ${ref.name} does not get edition ${number}: ${last}.`,
    );
  }

  async secretGone(ref: Ref, signal: AbortSignal): Promise<void> {
    const gone = untilObject(this.#client, SECRETS, ref, (secret) => secret === undefined, signal);
    await explain(gone, signal, () => `The Secret ${ref.name} does not go.`);
  }

  async hsmSecret(
    ref: Ref,
    accepts: (object: HsmSecret | undefined) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    let last: HsmSecret | undefined;
    const seen = (object: HsmSecret | undefined) => {
      last = object;
      return accepts(object);
    };
    await explain(untilObject(this.#client, HSM_SECRETS, ref, seen, signal), signal, () => {
      const { syncStatus = "no status", lastError = "no error", conditions = [] } = last?.status ?? {};
      const listed = conditions.map(({ type, status, reason }) => `${type}=${status} (${reason})`).join(", ");
      return `The HSMSecret ${ref.name} stays ${syncStatus}, ${lastError}, ${listed}.`;
    });
  }

  /**
   * Both sides have been seen equal as they are now. A write that was repeated because its answer got lost is one
   * more generation: the next edit of the Secret must not come before the manager knows that one too.
   */
  async inSync(ref: Ref, signal: AbortSignal): Promise<void> {
    let generation: number | undefined;
    await this.#poll("The token cannot be read", signal, async () => {
      generation = (await this.#token.read(pathOf(ref), signal))?.generation;
      return undefined;
    });
    await this.hsmSecret(
      ref,
      (object) =>
        object?.status?.syncStatus === "InSync" &&
        object.status.hsmGeneration === generation &&
        condition(object, "Conflict") !== "True",
      signal,
    );
  }

  async remove(ref: Ref, signal: AbortSignal): Promise<void> {
    await this.#retry(`the HSMSecret ${ref.name} cannot be deleted`, signal, async () => {
      try {
        await this.#client.delete(HSM_SECRETS, ref, { signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    });
    await this.hsmSecret(ref, (object) => object === undefined, signal);
  }

  async tokenIs(ref: Ref, number: number, signal: AbortSignal): Promise<void> {
    await this.#poll(`The token does not get edition ${number} of ${ref.name}`, signal, async () => {
      const secret = await this.#token.read(pathOf(ref), signal);
      if (secret === undefined || secret.deleted) return "it has nothing";
      const found = editionOf(secret.data);
      return found === number ? undefined : `it has edition ${found}`;
    });
  }

  async tokenGone(ref: Ref, signal: AbortSignal): Promise<void> {
    await this.#poll(`The token keeps ${ref.name}`, signal, async () => {
      const secret = await this.#token.read(pathOf(ref), signal);
      return secret === undefined || secret.deleted ? undefined : `it has generation ${secret.generation}`;
    });
  }

  async inHistory(ref: Ref, number: number, signal: AbortSignal): Promise<void> {
    await this.#poll(`Edition ${number} of ${ref.name} is not in the history`, signal, async () => {
      for (const { generation, state } of await this.#token.history(pathOf(ref))) {
        if (state === "dead") continue;
        const data = await this.#token.readGeneration(pathOf(ref), generation);
        if (data !== undefined && editionOf(data) === number) return undefined;
      }
      return "other editions are";
    });
  }

  /** Until `look` has nothing to say. A failed look is one to be repeated, except for a torn secret. */
  async #poll(what: string, signal: AbortSignal, look: () => Promise<string | undefined>): Promise<void> {
    for (;;) {
      const said = await look().catch((error: unknown) => {
        if (error instanceof TornError) throw error;
        return error instanceof Error ? error.message : "it cannot be read";
      });
      if (said === undefined) return;
      if (signal.aborted) throw new Error(`${what}: ${said}.`);
      await pause(POLL);
    }
  }

  async #retry(what: string, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
    await this.#poll(`In the time that it has, ${what}`, signal, async () => {
      await act();
      return undefined;
    });
  }
}

async function explain(promise: Promise<unknown>, signal: AbortSignal, text: () => string): Promise<void> {
  try {
    await promise;
  } catch (error) {
    throw signal.aborted ? new Error(text(), { cause: error }) : error;
  }
}
