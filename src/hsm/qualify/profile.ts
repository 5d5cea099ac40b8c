/** What `test-hsm qualify` found out about a token, and what that means for this program. */

/** A limit: the largest that was proven whole, and whether the token ended there or the test did. */
export interface Limit {
  readonly proven: number;
  /** True when nothing larger was tried: the token may take more. */
  readonly atLeast: boolean;
}

/** Each is true when it was seen. All of them were seen on real tokens, and this program lives with each. */
export interface Hazards {
  /** Another process's objects are not seen by a search before C_Finalize and C_Initialize. */
  readonly othersUnseenUntilRestart: boolean;
  /** Another process that closes the token ends this one's login or session. */
  readonly othersEndOurLogin: boolean;
  /** A value that is too large is answered with CKR_OK and then is not on the token, or not whole. */
  readonly largeValueLost: boolean;
  /** The process that wrote it reads such a value whole all the same. */
  readonly readBackLies: boolean;
  /** A create beyond the token's room is answered with CKR_OK. */
  readonly fullAnswersOk: boolean;
  /** Objects that were created with CKR_OK, or older ones, are not shown after a restart of the library. */
  readonly objectsVanish: boolean;
  /** A label or an application came back other than it was given. */
  readonly namesChange: boolean;
  /** What was destroyed came back. */
  readonly destroyedReturns: boolean;
  /** C_GenerateRandom fails or repeats itself. */
  readonly noRandom: boolean;
}

export interface Profile {
  readonly version: 1;
  readonly token: {
    readonly serialNumber: string;
    readonly manufacturer: string;
    readonly model: string;
    readonly library: string;
    /** Keys, certificates and the like, left alone; they take room. */
    readonly otherObjects: number;
  };
  readonly limits: {
    /** Bytes of one value. */
    readonly value: Limit;
    /** Objects of all classes. */
    readonly objects: Limit;
    /** Bytes. */
    readonly label: Limit;
    readonly application: Limit;
  };
  readonly hazards: Hazards;
  /** What was not tried on a token that somebody needs, and why. */
  readonly notPlayed: Readonly<Record<string, string>>;
  /** Milliseconds: the median of each call. */
  readonly times: Readonly<Record<string, number>>;
  readonly verdict: Verdict;
}

export interface Verdict {
  /** `careful`: works, with every write proven by a restart of the library. */
  readonly fit: "yes" | "careful" | "no";
  /** Options for test-hsm and the agent. */
  readonly settings: {
    readonly partSize: number;
    readonly objectCapacity: number;
    readonly verification: "refresh" | "readback";
  };
  /** For people, a sentence each. */
  readonly sentences: readonly string[];
}

export const NOT_PLAYED: Readonly<Record<string, string>> = {
  emptyValue: "on some cards an empty value can never be destroyed again; this program never writes one",
  setAttributeValue:
    "on some cards it leaves an object that cannot be destroyed; this program never calls it",
  longLabel: "a label over 254 bytes is cut on some cards; this program refuses one",
  longApplication: "one over 199 bytes can make an object invisible for ever; this program refuses one",
  wrongPin: "it would spend a try",
  flashFull: "it wears the flash, and needs more objects than most cards show",
  removal: "pull the token out during `test-hsm selftest` to see it",
};

/** The smallest part that a record is worth being cut into. */
const LEAST_PART = 1000;
/** Room for the head of a part, and for a card whose limit differs a little from file to file. */
const MARGIN = 0.86;
const LARGEST_PART = 65_536;
const LEAST_OBJECTS = 16;

export function judge(profile: Omit<Profile, "verdict">): Verdict {
  const { hazards, limits } = profile;
  const sentences: string[] = [];
  const lies =
    hazards.readBackLies || hazards.largeValueLost || hazards.fullAnswersOk || hazards.objectsVanish;
  const verification = lies || hazards.othersUnseenUntilRestart ? "refresh" : "readback";
  const partSize = Math.min(
    LARGEST_PART,
    limits.value.atLeast ? limits.value.proven : Math.floor((limits.value.proven * MARGIN) / 100) * 100,
  );
  const objectCapacity = limits.objects.atLeast ? limits.objects.proven : limits.objects.proven - 6;
  const no = fatal(profile, partSize, objectCapacity);
  if (no.length > 0) {
    sentences.push("This token is not fit to keep secrets.", ...no);
  } else if (verification === "refresh") {
    sentences.push(
      "This token keeps secrets, and its word alone proves nothing: each write is proven by a restart of the library.",
    );
  } else {
    sentences.push("This token keeps secrets, and what it says of a write is true as far as was seen.");
  }
  sentences.push(
    `One object holds ${limitText(limits.value)} bytes, the token shows ${limitText(limits.objects)} objects, of which ${profile.token.otherObjects} are not ours.`,
  );
  if (hazards.largeValueLost)
    sentences.push("A value that is too large is lost with CKR_OK: keep the part size below.");
  if (hazards.fullAnswersOk || hazards.objectsVanish) {
    sentences.push("When it is full it says CKR_OK and keeps nothing: keep the object capacity below.");
  }
  if (hazards.othersUnseenUntilRestart) {
    sentences.push("What another program writes is seen only after the library was started anew.");
  }
  if (hazards.othersEndOurLogin) {
    sentences.push("Another program that uses the token ends our login: let the agent have it alone.");
  }
  if (hazards.noRandom) sentences.push("Its random numbers cannot be used.");
  return {
    fit: no.length > 0 ? "no" : verification === "refresh" ? "careful" : "yes",
    settings: { partSize, objectCapacity, verification },
    sentences,
  };
}

function fatal(profile: Omit<Profile, "verdict">, partSize: number, objectCapacity: number): string[] {
  const { hazards } = profile;
  const reasons: string[] = [];
  if (partSize < LEAST_PART)
    reasons.push(`One object holds less than ${LEAST_PART} bytes of a secret for certain.`);
  if (objectCapacity < LEAST_OBJECTS)
    reasons.push(`It has room for fewer than ${LEAST_OBJECTS} objects for certain.`);
  if (hazards.namesChange) reasons.push("A label or an application comes back other than it was given.");
  if (hazards.destroyedReturns) reasons.push("What was destroyed comes back.");
  return reasons;
}

function limitText({ proven, atLeast }: Limit): string {
  return `${atLeast ? "at least " : ""}${proven}`;
}
