/** The main job, step by step, as a user sees it: on the token, in the cluster, and back. */

import { applyNamespace, createHsmSecret } from "../cluster.ts";
import type { CommandContext } from "../commands.ts";
import type { LocalSession } from "../session.ts";
import { writeOnToken } from "../test-hsm.ts";
import type { TokenReader } from "../token-reader.ts";
import { edition } from "./editions.ts";
import { condition, pathOf, World } from "./world.ts";

export interface Step {
  readonly name: string;
  /** Rejects with one sentence when what a user would see is not there. */
  run(signal: AbortSignal): Promise<void>;
}

const NAMESPACE = "check";
const MAIN = { namespace: NAMESPACE, name: "main" } as const;
const OTHER = { namespace: NAMESPACE, name: "other" } as const;

/** On the token before there is a manager, as on hardware that has been in use. */
export function writeFirstEdition(context: CommandContext): Promise<void> {
  return writeOnToken(context, pathOf(MAIN), edition(1));
}

export function mainJob(session: LocalSession, token: TokenReader): readonly Step[] {
  const { client } = session;
  const world = new World(session, token);
  return [
    {
      name: "token to Secret: a secret of the token becomes a Secret",
      async run(signal) {
        await applyNamespace(client, NAMESPACE);
        // A short history, so that each write also destroys something.
        await createHsmSecret(client, MAIN, { historyLimit: 1 });
        await world.secretIs(MAIN, 1, signal);
        await world.inSync(MAIN, signal);
      },
    },
    {
      name: "Secret to token: an edit of the Secret reaches the token",
      async run(signal) {
        await world.editSecret(MAIN, 2, signal);
        await world.tokenIs(MAIN, 2, signal);
        await world.inSync(MAIN, signal);
      },
    },
    {
      name: "token to Secret: an edit on the token (test-hsm) reaches the Secret",
      async run(signal) {
        await world.writeToken(MAIN, 3, signal);
        await world.secretIs(MAIN, 3, signal);
        await world.inSync(MAIN, signal);
      },
    },
    {
      name: "the agent is killed: an edit of the Secret meanwhile reaches the token",
      async run(signal) {
        session.program("agent").kill();
        await world.editSecret(MAIN, 4, signal);
        await world.tokenIs(MAIN, 4, signal);
        await world.inSync(MAIN, signal);
      },
    },
    {
      name: "the manager is killed: an edit on the token meanwhile reaches the Secret",
      async run(signal) {
        session.program("manager").kill();
        await world.writeToken(MAIN, 5, signal);
        await world.secretIs(MAIN, 5, signal);
        await world.inSync(MAIN, signal);
      },
    },
    {
      name: "conflict: both sides changed while the manager was away; it is reported and nothing is lost",
      async run(signal) {
        await session.program("manager").stop();
        await world.writeToken(MAIN, 6, signal);
        await world.editSecret(MAIN, 7, signal);
        await session.program("manager").start();
        await world.hsmSecret(MAIN, (object) => condition(object, "Conflict") === "True", signal);
        await world.tokenIs(MAIN, 6, signal);
        await world.secretIs(MAIN, 7, signal);
      },
    },
    {
      name: "resolved for the Secret: the token takes it, the other side stays in the history",
      async run(signal) {
        await world.annotate(MAIN, { "hsm.j5t.io/resolve": "secret" }, signal);
        await world.tokenIs(MAIN, 7, signal);
        await world.hsmSecret(MAIN, (object) => condition(object, "Conflict") !== "True", signal);
        await world.secretIs(MAIN, 7, signal);
        await world.inHistory(MAIN, 6, signal);
      },
    },
    {
      name: "deleted with Retain: HSMSecret and Secret go, the token keeps the data",
      async run(signal) {
        await world.inSync(MAIN, signal);
        await world.remove(MAIN, signal);
        await world.secretGone(MAIN, signal);
        await world.tokenIs(MAIN, 7, signal);
      },
    },
    {
      name: "an HSMSecret for the retained data brings the Secret back",
      async run(signal) {
        await createHsmSecret(client, MAIN, { historyLimit: 1 });
        await world.secretIs(MAIN, 7, signal);
      },
    },
    {
      name: "deleted with Delete: HSMSecret, Secret and the token's data go",
      async run(signal) {
        await world.writeToken(OTHER, 8, signal);
        await createHsmSecret(client, OTHER, { deletionPolicy: "Delete", historyLimit: 1 });
        await world.secretIs(OTHER, 8, signal);
        await world.inSync(OTHER, signal);
        await world.remove(OTHER, signal);
        await world.secretGone(OTHER, signal);
        await world.tokenGone(OTHER, signal);
        await world.secretIs(MAIN, 7, signal);
        await world.tokenIs(MAIN, 7, signal);
      },
    },
  ];
}
