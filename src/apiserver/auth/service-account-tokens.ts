/** Signed tokens of ServiceAccounts (RFC 7519, RS256), bound to their account and perhaps to a Pod or Secret. */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomUUID,
  sign,
  verify,
} from "node:crypto";
import { promisify } from "node:util";
import { child, isJsonObject, type JsonObject } from "../object.ts";
import type { Store } from "../storage/store.ts";
import type { User } from "../verbs/core.ts";
import type { TokenCheck } from "./authenticator.ts";

export const ISSUER = "https://kubernetes.default.svc.cluster.local";

const LEGACY_ISSUER = "kubernetes/serviceaccount";
const LEGACY = "kubernetes.io/serviceaccount";
const ISSUERS: readonly unknown[] = [ISSUER, LEGACY_ISSUER];

const makeKeyPair = promisify(generateKeyPair);

export interface BoundObject {
  readonly kind: string;
  readonly apiVersion: string;
  readonly name: string;
  readonly uid: string;
}

export interface SignedToken {
  readonly token: string;
  readonly expires: number;
}

export class ServiceAccountTokens {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #keep: (pem: string) => void;
  /** Made at the first need: an RSA key takes a tenth of a second. */
  #key: Promise<KeyObject> | undefined;

  constructor(store: Store, now: () => number, pem: string | undefined, keep: (pem: string) => void) {
    this.#store = store;
    this.#now = now;
    this.#keep = keep;
    if (pem !== undefined) this.#key = Promise.resolve(createPrivateKey(pem));
  }

  async issue(
    account: { readonly namespace: string; readonly name: string; readonly uid: string },
    audiences: readonly string[],
    seconds: number,
    bound: BoundObject | undefined,
  ): Promise<SignedToken> {
    const key = await this.#signingKey();
    const issued = Math.floor(this.#now() / 1000);
    const reference =
      bound === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } };
    const claims = {
      aud: audiences,
      exp: issued + seconds,
      iat: issued,
      iss: ISSUER,
      jti: randomUUID(),
      "kubernetes.io": {
        namespace: account.namespace,
        ...reference,
        serviceaccount: { name: account.name, uid: account.uid },
      },
      nbf: issued,
      sub: `system:serviceaccount:${account.namespace}:${account.name}`,
    };
    return { token: signed(key, claims), expires: (issued + seconds) * 1000 };
  }

  /** A token without an end, for a Secret of type `kubernetes.io/service-account-token`. */
  async issueLegacy(
    account: { readonly namespace: string; readonly name: string; readonly uid: string },
    secretName: string,
  ): Promise<string> {
    return signed(await this.#signingKey(), {
      iss: LEGACY_ISSUER,
      [`${LEGACY}/namespace`]: account.namespace,
      [`${LEGACY}/secret.name`]: secretName,
      [`${LEGACY}/service-account.name`]: account.name,
      [`${LEGACY}/service-account.uid`]: account.uid,
      sub: `system:serviceaccount:${account.namespace}:${account.name}`,
    });
  }

  /** The key that verifies the tokens, as RFC 7517 writes it. */
  async publicKey(): Promise<JsonObject> {
    const key = await this.#signingKey();
    const { n, e } = createPublicKey(key).export({ format: "jwk" });
    return { use: "sig", kty: "RSA", kid: keyId(key), alg: "RS256", n, e };
  }

  async check(token: string, audiences: readonly string[]): Promise<TokenCheck> {
    const [header, payload, signature, ...rest] = token.split(".");
    if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) {
      return { error: "invalid bearer token" };
    }
    const claims = decode(payload);
    if (claims === undefined || !ISSUERS.includes(claims["iss"]) || this.#key === undefined) {
      return { error: "invalid bearer token" };
    }
    const key = createPublicKey(await this.#key);
    if (!verify("sha256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"))) {
      return { error: "[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]" };
    }
    if (claims["iss"] === LEGACY_ISSUER) return this.#checkLegacy(claims, token, audiences);
    const own = Array.isArray(claims["aud"]) ? claims["aud"].map(String) : [];
    const shared = own.filter((audience) => audiences.includes(audience));
    if (shared.length === 0) {
      const list = (items: readonly string[]): string =>
        `[${items.map((item) => JSON.stringify(item)).join(" ")}]`;
      return {
        error: `[invalid bearer token, token audiences ${list(own)} is invalid for the target audiences ${list(audiences)}]`,
      };
    }
    if (Number(claims["exp"]) * 1000 <= this.#now()) {
      return { error: "[invalid bearer token, service account token has expired]" };
    }
    const user = this.#userOf(claims);
    return user === undefined
      ? { error: "[invalid bearer token, service account token has been invalidated]" }
      : { user, audiences: shared };
  }

  /** Good as long as its Secret holds it. */
  #checkLegacy(claims: JsonObject, token: string, audiences: readonly string[]): TokenCheck {
    const namespace = String(claims[`${LEGACY}/namespace`]);
    const secret = this.#store.get("secrets", `${namespace}/${String(claims[`${LEGACY}/secret.name`])}`);
    const kept = child(secret?.object, "data")["token"];
    const name = String(claims[`${LEGACY}/service-account.name`]);
    const account = this.#store.get("serviceaccounts", `${namespace}/${name}`)?.object.metadata;
    const uid = String(claims[`${LEGACY}/service-account.uid`]);
    if (kept !== Buffer.from(token).toString("base64") || account?.uid !== uid) {
      return { error: "[invalid bearer token, service account token has been invalidated]" };
    }
    if (!audiences.includes(ISSUER)) return { error: "invalid bearer token" };
    const groups = ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"];
    return { user: { name: String(claims["sub"]), uid, groups }, audiences: [ISSUER] };
  }

  #userOf(claims: JsonObject): User | undefined {
    const private_ = child(claims, "kubernetes.io");
    const namespace = String(private_["namespace"]);
    const account = child(private_, "serviceaccount");
    const found = this.#store.get("serviceaccounts", `${namespace}/${String(account["name"])}`);
    if (found?.object.metadata.uid !== account["uid"]) return undefined;
    const extra: Record<string, string[]> = {
      "authentication.kubernetes.io/credential-id": [`JTI=${String(claims["jti"])}`],
    };
    for (const [field, storage] of [
      ["pod", "pods"],
      ["secret", "secrets"],
    ] as const) {
      const bound = private_[field];
      if (!isJsonObject(bound)) continue;
      const object = this.#store.get(storage, `${namespace}/${String(bound["name"])}`)?.object;
      if (object?.metadata.uid !== bound["uid"]) return undefined;
      if (field === "pod") {
        extra["authentication.kubernetes.io/pod-name"] = [String(bound["name"])];
        extra["authentication.kubernetes.io/pod-uid"] = [String(bound["uid"])];
      }
    }
    return {
      name: String(claims["sub"]),
      uid: String(account["uid"]),
      groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
      extra,
    };
  }

  #signingKey(): Promise<KeyObject> {
    this.#key ??= makeKeyPair("rsa", { modulusLength: 2048 }).then(({ privateKey }) => {
      this.#keep(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
      return privateKey;
    });
    return this.#key;
  }
}

function signed(key: KeyObject, claims: JsonObject): string {
  const text = `${encode({ alg: "RS256", kid: keyId(key) })}.${encode(claims)}`;
  return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
}

function keyId(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("base64url");
}

function encode(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(part: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
