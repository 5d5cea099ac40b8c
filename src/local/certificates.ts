/** The authority and the certificates between manager, agent and test-hsm, made once and kept in the state folder. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import {
  createAuthority,
  issueAgentCertificate,
  issueManagerCertificate,
  type KeyPair,
} from "../rpc/certificates.ts";
import type { LocalPaths } from "./paths.ts";

export interface LocalCertificates {
  readonly authority: string;
  readonly agent: { readonly certificate: string; readonly key: string };
  readonly manager: { readonly certificate: string; readonly key: string };
}

/** Paths of PEM files. Leaves are made anew at each start: nothing of ours runs then that could hold the old ones. */
export async function provideCertificates(
  paths: LocalPaths,
  identity: { readonly serialNumber: string; readonly poolUid: string },
): Promise<LocalCertificates> {
  const authority = await provideAuthority(paths);
  const [agent, manager] = await Promise.all([
    issueAgentCertificate(authority, identity),
    issueManagerCertificate(authority),
  ]);
  return {
    authority: paths.tlsFile("ca.crt"),
    agent: write(paths, "agent", agent),
    manager: write(paths, "manager", manager),
  };
}

async function provideAuthority(paths: LocalPaths): Promise<KeyPair> {
  const [certificateFile, keyFile] = [paths.tlsFile("ca.crt"), paths.tlsFile("ca.key")];
  if (existsSync(certificateFile) && existsSync(keyFile)) {
    return { certificate: readFileSync(certificateFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  }
  const authority = await createAuthority({ name: "hsm-secrets-operator local" });
  writeFileSync(keyFile, authority.key, { mode: 0o600 });
  writeFileSync(certificateFile, authority.certificate);
  return authority;
}

function write(paths: LocalPaths, name: string, pair: KeyPair) {
  const files = { certificate: paths.tlsFile(`${name}.crt`), key: paths.tlsFile(`${name}.key`) };
  writeFileSync(files.key, pair.key, { mode: 0o600 });
  writeFileSync(files.certificate, pair.certificate);
  return files;
}
