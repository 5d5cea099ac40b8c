/** A throw-away certificate authority and the server certificate that it signs (RFC 5280, ECDSA P-256). */

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import { bits, boolean, explicit, implicit, integer, octets, oid, sequence, set, time, utf8 } from "./der.ts";

/** PEM texts of a key and its certificate. */
export interface Credential {
  readonly key: string;
  readonly certificate: string;
}

export interface ServingCertificates {
  readonly authority: Credential;
  readonly server: Credential;
}

const ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const YEARS_10 = 10 * 365 * 24 * 3600 * 1000;

/** A new authority and a server certificate for the names and addresses (loopback is always among them). */
export function makeServingCertificates(hosts: readonly string[], now: Date): ServingCertificates {
  const authorityKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const serverKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  // The clocks of other machines differ a little: valid since an hour ago.
  const validity = { from: new Date(now.getTime() - 3_600_000), to: new Date(now.getTime() + YEARS_10) };
  const issuer = commonName("embedded-apiserver-ca");
  const authorityId = keyIdentifier(authorityKeys.publicKey);
  const authority = certificate({
    issuer,
    subject: issuer,
    publicKey: authorityKeys.publicKey,
    signingKey: authorityKeys.privateKey,
    validity,
    extensions: [
      extension("2.5.29.19", true, sequence(boolean(true))),
      extension("2.5.29.15", true, bits(Buffer.from([0b0000_0110]), 1)), // keyCertSign, cRLSign
      extension("2.5.29.14", false, octets(authorityId)),
    ],
  });
  const server = certificate({
    issuer,
    subject: commonName("embedded-apiserver"),
    publicKey: serverKeys.publicKey,
    signingKey: authorityKeys.privateKey,
    validity,
    extensions: [
      extension("2.5.29.19", true, sequence()),
      extension("2.5.29.15", true, bits(Buffer.from([0b1000_0000]), 7)), // digitalSignature
      extension("2.5.29.37", false, sequence(oid("1.3.6.1.5.5.7.3.1"))), // serverAuth
      extension("2.5.29.17", false, alternativeNames(hosts)),
      extension("2.5.29.35", false, sequence(implicit(0, authorityId))),
    ],
  });
  return {
    authority: { key: pemKey(authorityKeys.privateKey), certificate: authority },
    server: { key: pemKey(serverKeys.privateKey), certificate: server },
  };
}

interface Request {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly validity: { readonly from: Date; readonly to: Date };
  readonly extensions: readonly Buffer[];
}

function certificate(request: Request): string {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.from([2]))), // v3
    integer(serial),
    ECDSA_WITH_SHA256,
    request.issuer,
    sequence(time(request.validity.from), time(request.validity.to)),
    request.subject,
    request.publicKey.export({ type: "spki", format: "der" }),
    explicit(3, sequence(...request.extensions)),
  );
  const signature = sign("sha256", toBeSigned, request.signingKey);
  return pem("CERTIFICATE", sequence(toBeSigned, ECDSA_WITH_SHA256, bits(signature)));
}

function commonName(name: string): Buffer {
  return sequence(set(sequence(oid("2.5.4.3"), utf8(name))));
}

function extension(id: string, critical: boolean, content: Buffer): Buffer {
  return critical ? sequence(oid(id), boolean(true), octets(content)) : sequence(oid(id), octets(content));
}

function alternativeNames(hosts: readonly string[]): Buffer {
  const all = new Set(["localhost", "127.0.0.1", "::1", "kubernetes.default.svc", ...hosts]);
  const names = [...all].map((host) =>
    isIP(host) === 0 ? implicit(2, Buffer.from(host, "ascii")) : implicit(7, addressBytes(host)),
  );
  return sequence(...names);
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const filled = [...front, ...Array<string>(8 - front.length - back.length).fill("0"), ...back];
  return Buffer.from(filled.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

function keyIdentifier(key: KeyObject): Buffer {
  const der = key.export({ type: "spki", format: "der" });
  return createHash("sha1").update(der.subarray(-65)).digest();
}

function pemKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
