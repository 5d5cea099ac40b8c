/** What test-hsm's exit code says; documented in its --help and in docs/test-hsm.md. */

import { type HsmErrorClass, isHsmError } from "../errors.ts";

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  auth: 5,
  gone: 6,
  noSpace: 7,
  corrupt: 8,
} as const;

export const EXIT_HELP = `
Exit codes:
  0  done
  1  failed for another reason
  2  the command line or its input is wrong; nothing was done
  3  not found
  4  conflict: another generation, pool or writer is there; nothing was changed
  5  the PIN was refused, is locked, or is on its last try
  6  the token is gone, busy or does not answer: try again
  7  the token is full, or the secret too large for it; nothing was changed
  8  what is on the token is damaged
`;

const BY_CLASS: Readonly<Record<HsmErrorClass, number>> = {
  NotFound: EXIT.notFound,
  AuthFailed: EXIT.auth,
  PinLocked: EXIT.auth,
  TokenGone: EXIT.gone,
  Busy: EXIT.gone,
  Timeout: EXIT.gone,
  NoSpace: EXIT.noSpace,
  TooLarge: EXIT.noSpace,
  Unsupported: EXIT.failed,
  Conflict: EXIT.conflict,
  Corrupt: EXIT.corrupt,
  BadInput: EXIT.usage,
  Internal: EXIT.failed,
};

export function exitCodeOf(error: unknown): number {
  return isHsmError(error) ? BY_CLASS[error.class] : EXIT.failed;
}
