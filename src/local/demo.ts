/** The first secret: on the token, then by an HSMSecret in the cluster. */

import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlreadyExists } from "../kube/error.ts";
import { SECRETS } from "../kube/resources.ts";
import { createHsmSecret, dataOf, sameData, type TextData, untilObject } from "./cluster.ts";
import { withDeadline } from "./deadline.ts";
import type { LocalSession } from "./session.ts";
import { writeOnToken } from "./test-hsm.ts";

export const DEMO = { namespace: "default", name: "demo" } as const;
export const DEMO_PATH = `secrets/${DEMO.namespace}/${DEMO.name}`;

/** Milliseconds after which something must be wrong. */
const PATIENCE = 30_000;

/**
 * Makes the demo once in the life of a state folder; deleted by a person, it stays away. The token is written before
 * the manager starts, as hardware that has been in use.
 */
export class Demo {
  readonly #session: LocalSession;
  readonly #onStep: (text: string, milliseconds: number) => void;
  #written: TextData | undefined;

  constructor(session: LocalSession, onStep: (text: string, milliseconds: number) => void) {
    this.#session = session;
    this.#onStep = onStep;
  }

  async writeToken(): Promise<void> {
    if (existsSync(this.#marker)) return;
    const started = performance.now();
    const data = { username: "demo", password: randomBytes(9).toString("base64url") };
    await writeOnToken(this.#session.context, DEMO_PATH, data);
    this.#written = data;
    this.#onStep(`wrote ${DEMO_PATH} on the token`, performance.now() - started);
  }

  async createHsmSecret(signal: AbortSignal): Promise<void> {
    const data = this.#written;
    if (data === undefined) return;
    const { client } = this.#session;
    const started = performance.now();
    try {
      await createHsmSecret(client, DEMO);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error; // A start that was cut off had made it.
    }
    await withDeadline(PATIENCE, signal, (until) =>
      untilObject(client, SECRETS, DEMO, (secret) => sameData(dataOf(secret), data), until),
    );
    const { namespace, name } = DEMO;
    this.#onStep(
      `created the HSMSecret ${namespace}/${name}; its Secret is there`,
      performance.now() - started,
    );
    writeFileSync(this.#marker, "");
  }

  get #marker(): string {
    return join(this.#session.context.paths.folder, "demo-made");
  }
}
