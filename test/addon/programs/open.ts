/** Opens the token that the environment names, for the programs beside this file. */
import { openPkcs11Token } from "../../../src/hsm/pkcs11/token.ts";
import type { ObjectToken } from "../../../src/hsm/token.ts";

export interface TokenPlace {
  readonly modulePath: string;
  readonly serialNumber: string;
  /** A throw-away of the test's token. */
  readonly pin: string;
  readonly folder: string;
}

export function openAt(place: TokenPlace): Promise<ObjectToken> {
  return openPkcs11Token({
    modulePath: place.modulePath,
    select: { serialNumber: place.serialNumber },
    pin: new TextEncoder().encode(place.pin),
    deviceType: "SoftHSM",
    lockDirectory: `${place.folder}/lock`,
    stateDirectory: `${place.folder}/state`,
  });
}

/** The place that the parent handed down as JSON in the first argument. */
export function placeFromArguments(): TokenPlace {
  return JSON.parse(process.argv[2] ?? "") as TokenPlace;
}
