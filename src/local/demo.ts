/** The first secret: on the token, then by an HSMSecret in the cluster. */

import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlreadyExists } from "../kube/error.ts";
import { SECRETS } from "../kube/resources.ts";
import { createHsmSecret, dataOf, sameData, untilObject } from "./cluster.ts";
import type { LocalSession } from "./session.ts";
import { writeOnToken } from "./test-hsm.ts";

export const DEMO = { namespace: "default", name: "demo" } as const;
export const DEMO_PATH = `secrets/${DEMO.namespace}/${DEMO.name}`;

/** Milliseconds after which something must be wrong. */
const PATIENCE = 30_000;

/** Makes the demo once in the life of a state folder; deleted by a person, it stays away. */
export async function provideDemo(
  session: LocalSession,
  onStep: (text: string, milliseconds: number) => void,
): Promise<void> {
  const marker = join(session.context.paths.folder, "demo-made");
  if (existsSync(marker)) return;
  let started = performance.now();
  const done = (text: string) => {
    onStep(text, performance.now() - started);
    started = performance.now();
  };
  const data = { username: "demo", password: randomBytes(9).toString("base64url") };
  await writeOnToken(session.context, DEMO_PATH, data);
  done(`wrote ${DEMO_PATH} on the token (test-hsm, through the agent)`);
  try {
    await createHsmSecret(session.client, DEMO);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error; // A start that was cut off had made it.
  }
  const signal = AbortSignal.timeout(PATIENCE);
  await untilObject(session.client, SECRETS, DEMO, (secret) => sameData(dataOf(secret), data), signal);
  done(`HSMSecret ${DEMO.namespace}/${DEMO.name} created, and the Secret of that name is there`);
  writeFileSync(marker, "");
}
