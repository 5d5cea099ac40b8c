/** From the headers of a request to the user behind it, impersonation included. */

import type { IncomingHttpHeaders } from "node:http";
import { badRequest, unauthorized } from "../status/status.ts";
import type { User } from "../verbs/core.ts";
import type { ServiceAccountTokens } from "./service-account-tokens.ts";
import { ANONYMOUS, AUTHENTICATED, bearerToken, type TokenTable } from "./tokens.ts";

export const DEFAULT_AUDIENCE = "https://kubernetes.default.svc.cluster.local";

const GOOD_FOR_MS = 10_000;
const MAX_RECENT = 1000;

export interface TokenCheck {
  readonly user?: User | undefined;
  readonly audiences?: readonly string[] | undefined;
  readonly error?: string | undefined;
}

export class Authenticator {
  readonly #tokens: TokenTable;
  readonly #accounts: ServiceAccountTokens;

  readonly #anonymous: boolean;

  readonly #now: () => number;
  /** Answers of the last seconds: a token that was good stays good for a moment, as with kube-apiserver. */
  readonly #recent = new Map<string, { readonly check: TokenCheck; readonly until: number }>();

  constructor(tokens: TokenTable, accounts: ServiceAccountTokens, anonymous: boolean, now: () => number) {
    this.#now = now;
    this.#anonymous = anonymous;
    this.#tokens = tokens;
    this.#accounts = accounts;
  }

  /** @throws ApiError 401 when the token is not good, or there is none and there must be. */
  async authenticate(headers: IncomingHttpHeaders): Promise<User> {
    const token = bearerToken(headers.authorization);
    if (token === undefined) {
      if (!this.#anonymous) throw unauthorized();
      return ANONYMOUS;
    }
    const { user } = await this.check(token, []);
    if (user === undefined) throw unauthorized();
    return user;
  }

  async check(token: string, audiences: readonly string[]): Promise<TokenCheck> {
    const wanted = audiences.length === 0 ? [DEFAULT_AUDIENCE] : audiences;
    const user = this.#tokens.find(token);
    if (user !== undefined) return { user, audiences: wanted };
    const key = JSON.stringify([token, wanted]);
    const now = this.#now();
    const known = this.#recent.get(key);
    if (known !== undefined && now < known.until) return known.check;
    const check = await this.#accounts.check(token, wanted);
    if (this.#recent.size >= MAX_RECENT) this.#recent.clear();
    if (check.user === undefined) this.#recent.delete(key);
    else this.#recent.set(key, { check, until: now + GOOD_FOR_MS });
    return check;
  }
}

/** The user that the Impersonate headers name; undefined without them. */
export function impersonated(headers: IncomingHttpHeaders): User | undefined {
  const name = one(headers["impersonate-user"]);
  const groups = many(headers["impersonate-group"]);
  const uid = one(headers["impersonate-uid"]);
  const extra: Record<string, string[]> = {};
  for (const [key, value] of Object.entries(headers)) {
    const match = /^impersonate-extra-(.+)$/.exec(key);
    if (match?.[1] !== undefined) extra[decodeURIComponent(match[1])] = many(value);
  }
  if (name === "") {
    if (groups.length === 0 && uid === "" && Object.keys(extra).length === 0) return undefined;
    const shown = groups.map((group) => JSON.stringify(group)).join(", ");
    throw badRequest(
      `requested &user.DefaultInfo{Name:"", UID:"${uid}", Groups:[]string{${shown}}, Extra:map[string][]string(nil)} without impersonating a user name`,
    );
  }
  const own = [...groups];
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account !== null && groups.length === 0) {
    own.push("system:serviceaccounts", `system:serviceaccounts:${account[1]}`);
  }
  if (name === ANONYMOUS.name) own.push(...ANONYMOUS.groups);
  else if (!own.includes(AUTHENTICATED)) own.push(AUTHENTICATED);
  return {
    name,
    ...(uid === "" ? {} : { uid }),
    groups: own,
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

function one(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? "";
}

/** Node joins headers that come several times with a comma. */
function many(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : value.split(",")).map((item) => item.trim());
}
