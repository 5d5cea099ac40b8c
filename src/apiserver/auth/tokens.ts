/** Who a bearer token stands for. Tokens of users are random and kept; those of ServiceAccounts are signed. */

import { randomBytes } from "node:crypto";
import type { User } from "../verbs/core.ts";

export const AUTHENTICATED = "system:authenticated";

export const ANONYMOUS: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

export interface KnownToken {
  readonly token: string;
  readonly user: string;
  readonly groups: readonly string[];
}

export class TokenTable {
  readonly #byToken = new Map<string, User>();
  readonly #known: KnownToken[] = [];
  readonly #onAdd: (all: readonly KnownToken[]) => void;

  constructor(known: readonly KnownToken[], onAdd: (all: readonly KnownToken[]) => void) {
    this.#onAdd = onAdd;
    for (const token of known) this.#remember(token);
  }

  /** The token of a user in these groups; the same one each time. */
  tokenFor(user: string, groups: readonly string[]): string {
    const found = this.#known.find(
      (known) => known.user === user && known.groups.join("\0") === groups.join("\0"),
    );
    if (found !== undefined) return found.token;
    const token = randomBytes(32).toString("base64url");
    this.#remember({ token, user, groups });
    this.#onAdd(this.#known);
    return token;
  }

  find(token: string): User | undefined {
    return this.#byToken.get(token);
  }

  #remember(known: KnownToken): void {
    this.#known.push(known);
    this.#byToken.set(known.token, {
      name: known.user,
      uid: `${known.user}-uid`,
      groups: [...known.groups, AUTHENTICATED],
    });
  }
}

/** The token of an Authorization header; undefined when there is none (then the request is anonymous). */
export function bearerToken(header: string | undefined): string | undefined {
  const match = /^bearer\s+(\S.*)$/i.exec(header ?? "");
  return match?.[1]?.trim();
}
