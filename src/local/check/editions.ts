/** Values that tell which write they are of, so that a torn secret is seen: every key of one edition names it. */

import type { TextData } from "../cluster.ts";

/** Characters of the large key: with it a record needs two objects on a SoftHSM2 token. */
const LARGE = 70_000;

export function edition(number: number): TextData {
  return {
    username: `user-${number}`,
    password: `password-${number}`,
    large: `${number}.`.repeat(Math.ceil(LARGE / `${number}.`.length)),
  };
}

/** The edition that this is, whole. Throws when keys are of different editions or one was cut. */
export function editionOf(data: TextData): number {
  const number = Number(/^user-(\d+)$/.exec(data["username"] ?? "")?.[1] ?? Number.NaN);
  const whole = edition(number);
  const names = Object.keys(whole);
  const torn = names.filter((name) => data[name] !== whole[name]);
  if (Number.isNaN(number) || torn.length > 0 || Object.keys(data).length !== names.length) {
    throw new TornError(`A secret is torn: ${torn.join(", ") || "its keys"} do not belong together.`);
  }
  return number;
}

/** Never to be waited away. */
export class TornError extends Error {
  override readonly name = "TornError";
  readonly code = "CHECK_TORN";
}
