/** What verifiers of ServiceAccount tokens ask for: the issuer's discovery document and its public keys. */

import { ISSUER, type ServiceAccountTokens } from "../auth/service-account-tokens.ts";
import { sendText } from "../http/respond.ts";
import type { PathServer } from "./discovery.ts";

const KEYS_PATH = "/openid/v1/jwks";

export function issuerServer(accounts: ServiceAccountTokens, address: () => string): PathServer {
  return async (exchange, path) => {
    const { response } = exchange;
    if (path === "/.well-known/openid-configuration") {
      response.setHeader("Cache-Control", "public, max-age=3600");
      const document = {
        issuer: ISSUER,
        jwks_uri: `https://${address()}${KEYS_PATH}`,
        response_types_supported: ["id_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
      };
      await sendText(exchange, 200, JSON.stringify(document), "application/json");
      return true;
    }
    if (path !== KEYS_PATH) return false;
    response.setHeader("Cache-Control", "public, max-age=3600");
    const keys = { keys: [await accounts.publicKey()] };
    await sendText(exchange, 200, JSON.stringify(keys), "application/jwk-set+json");
    return true;
  };
}
