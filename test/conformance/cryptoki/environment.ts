/** Where stories are played: a module, and a fresh card or token for each story. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { makeStubToken, type StubBuild, type StubProfile } from "../../stub.ts";
import { Player } from "./player.ts";
import type { JsonObject, Story } from "./recording.ts";

const exec = promisify(execFile);

/** PINs of every recording. */
export const USER_PIN = "648219";
export const SO_PIN = "3537363231383830";

export interface Card {
  readonly env: Readonly<Record<string, string>>;
  /** Something that happens to the card, e.g. `@card_removed`; rejects where that cannot be done. */
  event(name: string, input: JsonObject): Promise<void>;
  /** Commands that the card has answered so far; absent where nobody counts them. */
  apdus?(): number;
  dispose(): Promise<void>;
}

export interface Environment {
  readonly player: string;
  readonly module: string;
  /** Milliseconds after which a call counts as hung. */
  readonly timeout: number;
  makeCard(story: Story): Promise<Card>;
}

/** A token in software has no card to power off: its recordings tell that the event left no trace. */
const SOFTWARE_EVENTS = new Set(["@card_power_cycle", "@card_unplugged_and_plugged_in", "@firmware_process"]);

function noEvents(name: string): Promise<never> {
  return Promise.reject(new Error(`${name} needs a module whose card can be controlled`));
}

/** SoftHSM2: each story gets a token of its own in a folder of its own. */
export function softHsmEnvironment(player: string, module: string): Environment {
  return {
    player,
    module,
    timeout: 30_000,
    async makeCard() {
      const folder = await mkdtemp(join(tmpdir(), "hsm-conformance-"));
      await mkdir(join(folder, "tokens"), { mode: 0o700 });
      const config = join(folder, "softhsm2.conf");
      await writeFile(
        config,
        `directories.tokendir = ${join(folder, "tokens")}\nobjectstore.backend = file\nlog.level = ERROR\n`,
      );
      const env = { SOFTHSM2_CONF: config };
      await initialiseToken({ player, module, env });
      return {
        env,
        event: (name) => (SOFTWARE_EVENTS.has(name) ? Promise.resolve() : noEvents(name)),
        dispose: () => rm(folder, { recursive: true, force: true }),
      };
    },
  };
}

const STUB_EVENTS: Readonly<Record<string, readonly string[]>> = {
  "@card_removed": ["remove"],
  "@card_inserted": ["insert"],
  "@card_power_cycle": ["power cycle"],
  "@card_unplugged_and_plugged_in": ["power cycle"],
  "@pcscd_stopped": ["pcscd stop"],
  "@pcscd_started": ["pcscd start"],
  "@pcscd_restart_card_stays_powered": ["pcscd restart"],
  "@other_card_will_be_inserted": ["erase"],
  // Tells of the recorder's own process, which a card has none of.
  "@firmware_process": [],
};

/** The stub library: each story gets a card of its own, with the profile of the recording's folder. */
export function stubEnvironment(build: StubBuild): Environment {
  return {
    player: build.playerPath,
    module: build.modulePath,
    timeout: 30_000,
    async makeCard(story) {
      const folder = basename(dirname(story.file));
      const token = await makeStubToken({ profile: folder as StubProfile });
      return {
        env: token.env,
        apdus: token.apdus,
        dispose: token.dispose,
        async event(name, input) {
          const commands =
            name === "@card_will_be_removed_in_next_call"
              ? [`remove after ${Number(input["after_apdus"])} apdus`]
              : STUB_EVENTS[name];
          if (commands === undefined) throw new Error(`the stub does not know the event ${name}`);
          for (const command of commands) await token.control(command);
        },
      };
    },
  };
}

/** Any other module: a program of the caller's makes the token fresh before each story. */
export function foreignEnvironment(player: string, module: string, reset: string | undefined): Environment {
  return {
    player,
    module,
    timeout: 120_000,
    async makeCard() {
      if (reset !== undefined) await exec(reset);
      return { env: {}, event: noEvents, dispose: () => Promise.resolve() };
    },
  };
}

/** Initialises the first slot as the recordings expect it: label `Token`, the recordings' PINs. */
async function initialiseToken(options: {
  readonly player: string;
  readonly module: string;
  readonly env: Readonly<Record<string, string>>;
}): Promise<void> {
  const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");
  const player = await Player.start({ ...options, timeout: 30_000 });
  const play = async (command: string): Promise<Readonly<Record<string, unknown>>> => {
    const { rv, out } = await player.call(0, command);
    if (rv !== "0")
      throw new Error(`the token could not be initialised: ${command.split(" ")[0]} gave ${rv}`);
    return out;
  };
  try {
    await play("C_Initialize os");
    await play(`C_InitToken 0 ${hex(SO_PIN)} ${hex("Token")}`);
    await play("C_Finalize null");
    await play("C_Initialize os");
    const { slots } = await play("C_GetSlotList 1 16");
    const slot = Array.isArray(slots) ? String(slots[0]) : "0";
    const { session } = await play(`C_OpenSession ${slot} 6`);
    await play(`C_Login ${String(session)} 0 ${hex(SO_PIN)}`);
    await play(`C_InitPIN ${String(session)} ${hex(USER_PIN)}`);
    await play("C_Finalize null");
  } finally {
    await player.kill();
  }
}
