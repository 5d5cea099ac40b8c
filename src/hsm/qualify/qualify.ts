/** Plays the hazards of real tokens on one that somebody offers for it, and says what it is good for. */
import { HsmError } from "../errors.ts";
import type { ObjectToken, VerificationMode } from "../token.ts";
import { APPLICATION, cleanUp, create, fateOf, isOurs, pattern, Stopwatch } from "./play.ts";
import { type Hazards, judge, type Limit, NOT_PLAYED, type Profile } from "./profile.ts";

export interface QualifyOptions {
  /** Opens the token; limits are the test's own, not those of the device type. */
  readonly open: (verification: VerificationMode) => Promise<ObjectToken>;
  /** Another process opens the token, creates an object with this label and application, and closes it. */
  readonly otherProcess: (label: string, application: string) => Promise<void>;
  readonly progress: (text: string) => void;
  /** Milliseconds. */
  readonly now: () => number;
  /** Largest value to try, bytes; a secret is never larger than 1 MiB. */
  readonly mostBytes?: number | undefined;
  /** Most objects to try. */
  readonly mostObjects?: number | undefined;
}

const SIZES = [64, 256, 1000, 2000, 3500, 4000, 4096, 8192, 32_768, 65_536, 262_144, 1_048_576];
const LONGEST_LABEL = 254;
const LONGEST_APPLICATION = 199;
/** Objects between two looks at the whole token. */
const COUNT_STEP = 32;

type Found = { -readonly [K in keyof Hazards]: Hazards[K] };

export async function qualify(options: QualifyOptions): Promise<Profile> {
  const watch = new Stopwatch(options.now);
  const hazards: Found = {
    othersUnseenUntilRestart: false,
    othersEndOurLogin: false,
    largeValueLost: false,
    readBackLies: false,
    fullAnswersOk: false,
    objectsVanish: false,
    namesChange: false,
    destroyedReturns: false,
    noRandom: false,
  };
  await besideAnother(options, hazards);
  const token = await watch.time("open", () => options.open("refresh"));
  try {
    const { otherObjects } = await startEmpty(token, options);
    options.progress("random numbers");
    await tryRandom(token, hazards, watch);
    options.progress("names");
    await tryNames(token, hazards);
    options.progress("sizes of values");
    const value = await trySizes(token, options, hazards, watch);
    options.progress("number of objects");
    const objects = await tryCount(token, options, hazards, watch);
    options.progress("clean-up");
    hazards.destroyedReturns = !(await cleanUp(token, await token.refresh()));
    const { serialNumber, manufacturer, model, library } = token.info();
    const found = {
      version: 1,
      token: { serialNumber, manufacturer, model, library, otherObjects },
      limits: {
        value,
        objects,
        label: { proven: hazards.namesChange ? 0 : LONGEST_LABEL, atLeast: true },
        application: { proven: hazards.namesChange ? 0 : LONGEST_APPLICATION, atLeast: true },
      },
      hazards,
      notPlayed: NOT_PLAYED,
      times: watch.medians(),
    } as const;
    return { ...found, verdict: judge(found) };
  } catch (error) {
    // Whatever went wrong, the token is left as it was found, where it still answers.
    await token
      .refresh()
      .then((listing) => cleanUp(token, listing))
      .catch(() => false);
    throw error;
  } finally {
    await token.close();
  }
}

/** Refuses a token with any data object but what an earlier run left. */
async function startEmpty(token: ObjectToken, options: QualifyOptions): Promise<{ otherObjects: number }> {
  const listing = await token.list();
  const foreign = listing.objects.filter((object) => !isOurs(object)).length;
  if (foreign > 0) {
    throw new HsmError(
      "BadInput",
      `The token holds ${foreign} data objects: qualify needs one without any. Nothing was changed.`,
      { operation: "qualify" },
    );
  }
  if (listing.objects.length > 0) {
    options.progress(`${listing.objects.length} objects of an earlier run are destroyed`);
    await cleanUp(token, listing);
  }
  return { otherObjects: listing.otherObjects };
}

async function besideAnother(options: QualifyOptions, hazards: Found): Promise<void> {
  options.progress("opening the token");
  const token = await options.open("readback");
  try {
    await startEmpty(token, options);
    options.progress("another process beside this one");
    let lost = false;
    token.onEvent((event) => {
      lost ||= event.kind === "gone";
    });
    const made = await create(token, { label: "qualify/own", value: pattern(64, 1) });
    await options.otherProcess("qualify/other", APPLICATION);
    const [read] = "id" in made ? await token.read([made.id]) : [];
    const listing = await token.refresh();
    hazards.othersEndOurLogin = lost || (read !== undefined && "error" in read);
    // After a loss the library was started anew: what is seen then tells nothing of a mere search.
    const seen = listing.objects.some(({ label }) => label === "qualify/other");
    hazards.othersUnseenUntilRestart = !seen && !hazards.othersEndOurLogin;
  } finally {
    await token.close();
  }
}

async function tryRandom(token: ObjectToken, hazards: Found, watch: Stopwatch): Promise<void> {
  try {
    const [one, two] = [
      await watch.time("random 32 B", () => token.random(32)),
      await watch.time("random 32 B", () => token.random(32)),
    ];
    hazards.noRandom = Buffer.from(one).equals(two);
  } catch {
    hazards.noRandom = true;
  }
}

async function tryNames(token: ObjectToken, hazards: Found): Promise<void> {
  const value = pattern(16, 2);
  const names = [
    { label: "x".repeat(LONGEST_LABEL), application: APPLICATION },
    { label: "qualify/ü/日本", application: APPLICATION },
    { label: "qualify/application", application: APPLICATION.padEnd(LONGEST_APPLICATION, "x") },
    { label: "qualify/twice", application: APPLICATION },
    { label: "qualify/twice", application: `${APPLICATION} 2` },
  ];
  let created = 0;
  for (const name of names) if ("id" in (await create(token, { ...name, value }))) created += 1;
  const listing = await token.refresh();
  const shown = names.filter((name) =>
    listing.objects.some(
      ({ label, application }) => label === name.label && application === name.application,
    ),
  );
  hazards.namesChange = created < names.length || shown.length < names.length;
  await cleanUp(token, listing);
}

async function trySizes(
  token: ObjectToken,
  options: QualifyOptions,
  hazards: Found,
  watch: Stopwatch,
): Promise<Limit> {
  const most = options.mostBytes ?? SIZES.at(-1) ?? 0;
  const isWhole = async (size: number): Promise<boolean> => {
    const fate = await fateOf(token, { label: `qualify/${size}`, value: pattern(size, size) }, watch);
    if (fate.kind === "lost") {
      hazards.largeValueLost = true;
      hazards.readBackLies ||= fate.lied;
    }
    return fate.kind === "whole";
  };
  let proven = 0;
  let failed: number | undefined;
  for (const size of SIZES.filter((one) => one <= most)) {
    if (await isWhole(size)) proven = size;
    else failed = size;
    if (failed !== undefined) break;
  }
  if (failed === undefined) return { proven, atLeast: true };
  options.progress(`sizes of values: between ${proven} and ${failed} bytes`);
  let beyond = failed;
  while (beyond - proven > 1) {
    const middle = Math.floor((proven + beyond) / 2);
    if (await isWhole(middle)) proven = middle;
    else beyond = middle;
  }
  return { proven, atLeast: false };
}

/** Creates small objects until the token refuses, or shows fewer than it took. */
async function tryCount(
  token: ObjectToken,
  options: QualifyOptions,
  hazards: Found,
  watch: Stopwatch,
): Promise<Limit> {
  const most = options.mostObjects ?? 300;
  let proven = 0;
  let made = 0;
  let refused = false;
  const look = async (): Promise<boolean> => {
    const listing = await watch.time("restart and search, full", () => token.refresh());
    const shown = new Set(listing.objects.filter(isOurs).map(({ label }) => label));
    const all = Array.from({ length: made }, (_, i) => `qualify/n${i}`).every((label) => shown.has(label));
    if (all) proven = made + listing.otherObjects;
    else hazards.objectsVanish = true;
    return all;
  };
  while (made < most && !refused) {
    const result = await watch.time("create 64 B", () =>
      create(token, { label: `qualify/n${made}`, value: pattern(64, made) }),
    );
    if ("error" in result) {
      refused = true;
      // CKR_OK with the handle 0: it may be there or not, and another may be gone for it.
      hazards.fullAnswersOk ||= result.error.ckrCode === 0;
    } else {
      made += 1;
    }
    if (made % COUNT_STEP === 0 && !refused) {
      options.progress(`number of objects: ${made}`);
      if (!(await look())) break;
    }
  }
  const all = await look();
  return { proven, atLeast: made >= most && all && !refused };
}
