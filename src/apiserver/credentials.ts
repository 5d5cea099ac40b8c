/** Certificates, keys and tokens of the server, kept in the data folder (mode 0600) when there is one. */

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KnownToken } from "./auth/tokens.ts";
import { makeServingCertificates, type ServingCertificates } from "./tls/certificates.ts";

export interface CredentialStore {
  readonly certificates: ServingCertificates;
  readonly tokens: readonly KnownToken[];
  readonly signingKey: string | undefined;
  keepTokens(tokens: readonly KnownToken[]): void;
  keepSigningKey(pem: string): void;
}

export function openCredentials(folder: string | undefined, host: string, now: Date): CredentialStore {
  if (folder === undefined) {
    return {
      certificates: makeServingCertificates([host], now),
      tokens: [],
      signingKey: undefined,
      keepTokens() {},
      keepSigningKey() {},
    };
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const certificateFile = join(folder, "certificates.json");
  const tokenFile = join(folder, "tokens.json");
  const keyFile = join(folder, "service-account.key");
  let certificates = readJson<ServingCertificates>(certificateFile);
  if (certificates === undefined) {
    certificates = makeServingCertificates([host], now);
    writeSecretFile(certificateFile, JSON.stringify(certificates));
  }
  return {
    certificates,
    tokens: readJson<KnownToken[]>(tokenFile) ?? [],
    signingKey: existsSync(keyFile) ? readFileSync(keyFile, "utf8") : undefined,
    keepTokens: (tokens) => writeSecretFile(tokenFile, JSON.stringify(tokens)),
    keepSigningKey: (pem) => writeSecretFile(keyFile, pem),
  };
}

/** Readable by its owner only, and whole at any time: written aside, then renamed. */
export function writeSecretFile(path: string, text: string): void {
  const aside = `${path}.next`;
  writeFileSync(aside, text, { mode: 0o600 });
  chmodSync(aside, 0o600);
  renameSync(aside, path);
}

function readJson<T>(path: string): T | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T) : undefined;
}
