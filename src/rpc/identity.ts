/**
 * Who a certificate speaks for. An address proves nothing: an agent is known by the serial number of its token and
 * the UID of its pool, a manager by its name; each stands as one URI in the certificate's subject alternative names.
 */

import type { X509Certificate } from "node:crypto";

/** What an agent's certificate must say: the token that it may serve, and the pool that it was made for. */
export interface AgentIdentity {
  readonly serialNumber: string;
  readonly poolUid: string;
}

export const DEFAULT_MANAGER = "manager";

/** The URI of an agent, e.g. `urn:hsm-secrets-operator:agent:DENK0100001:2f6c...`. */
export function agentUri(identity: AgentIdentity): string {
  return `urn:hsm-secrets-operator:agent:${encode(identity.serialNumber)}:${encode(identity.poolUid)}`;
}

/** The URI of a manager, e.g. `urn:hsm-secrets-operator:manager:manager`. */
export function managerUri(name: string = DEFAULT_MANAGER): string {
  return `urn:hsm-secrets-operator:manager:${encode(name)}`;
}

/**
 * The URIs among the subject alternative names. Node prints the names as one line and quotes what could be taken
 * for a second name, so that splitting at `, ` is safe; ours hold no character that needs quotes.
 */
export function urisOf(certificate: X509Certificate): readonly string[] {
  const names = certificate.subjectAltName?.split(", ") ?? [];
  return names.filter((name) => name.startsWith("URI:")).map((name) => name.slice("URI:".length));
}

export function carriesUri(certificate: X509Certificate, uri: string): boolean {
  return urisOf(certificate).includes(uri);
}

/** One sentence on a verification that failed; `subject` begins it, e.g. `The certificate of the caller`. */
export function refusalSentence(code: string, subject: string): string {
  const reason = REFUSALS[code];
  return reason === undefined ? `${subject} is not acceptable (${code}).` : `${subject} ${reason}.`;
}

const UNTRUSTED = "is signed by an authority that is not trusted here";

/** Keys are OpenSSL's verification codes as Node names them (TLSSocket.authorizationError, error.code). */
const REFUSALS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "has expired",
  CERT_NOT_YET_VALID: "is not valid yet",
  INVALID_PURPOSE: "was made for another purpose",
  CERT_SIGNATURE_FAILURE: "has a broken signature",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
};

/** Percent-encoding, stricter than encodeURIComponent: what is left stands unquoted in a URN and in Node's line. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
