/**
 * Makes the certificates between manager and agents: an authority, a server certificate an agent (for one token of
 * one pool), and the manager's client certificate. Keys are ECDSA P-256, everything is PEM.
 *
 * Only what issues certificates loads this file: it costs a quarter of a second. Both ends of a connection need
 * identity.ts and material.ts only.
 */

import { randomBytes, webcrypto } from "node:crypto";
// The X.509 library finds its parts by decorators and refuses to load without this.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { type AgentIdentity, agentUri, DEFAULT_MANAGER, managerUri } from "./identity.ts";

/** A certificate and its private key (PKCS#8), both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface Validity {
  /** Now, in milliseconds since 1970; `Date.now` when absent. */
  readonly now?: (() => number) | undefined;
  /** How long the certificate is valid, in milliseconds. */
  readonly lifetime?: number | undefined;
}

const DAY = 86_400_000;
export const AUTHORITY_LIFETIME = 10 * 365 * DAY;
export const LEAF_LIFETIME = 90 * DAY;
/** Valid from a little before now on: clocks of nodes differ. */
const CLOCK_SKEW = 300_000;

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** Makes an authority: a self-signed certificate that can sign leaves and nothing else. */
export async function createAuthority(
  options: Validity & { readonly name?: string | undefined } = {},
): Promise<KeyPair> {
  const keys = await generateKeys();
  // A part of the name is random: two authorities in one bundle (rotation) must differ in name, or verification
  // may try the wrong one only.
  const name = `${options.name ?? "hsm-secrets-operator"} ${randomBytes(4).toString("hex")}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: SIGNATURE,
    ...period(options, AUTHORITY_LIFETIME),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

/** The certificate of the agent that serves one token: its serial number and its pool's UID stand in it. */
export async function issueAgentCertificate(
  authority: KeyPair,
  options: AgentIdentity & Validity,
): Promise<KeyPair> {
  return issue(authority, `agent ${options.serialNumber}`, agentUri(options), SERVER_AUTH, options);
}

/** The client certificate of a manager. Agents ask for the name; a deployment has one. */
export async function issueManagerCertificate(
  authority: KeyPair,
  options: Validity & { readonly name?: string | undefined } = {},
): Promise<KeyPair> {
  const name = options.name ?? DEFAULT_MANAGER;
  return issue(authority, name, managerUri(name), CLIENT_AUTH, options);
}

async function issue(
  authority: KeyPair,
  commonName: string,
  uri: string,
  purpose: string,
  options: Validity,
): Promise<KeyPair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const signingKey = await importKey(authority.key);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    // RFC 5280 allows 64 characters in a common name; it is for people, the URI is what is checked.
    subject: [{ CN: [commonName.slice(0, 64)] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: SIGNATURE,
    ...period(options, LEAF_LIFETIME),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([purpose], true),
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: uri }], false),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

function period(options: Validity, lifetime: number): { notBefore: Date; notAfter: Date } {
  const now = (options.now ?? Date.now)();
  return {
    notBefore: new Date(now - CLOCK_SKEW),
    notAfter: new Date(now + (options.lifetime ?? lifetime)),
  };
}

/** 16 random bytes in hex, positive (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (der === undefined) throw new Error("The authority's key is not a PEM private key.");
  return webcrypto.subtle.importKey("pkcs8", der, KEY_ALGORITHM, false, ["sign"]);
}
