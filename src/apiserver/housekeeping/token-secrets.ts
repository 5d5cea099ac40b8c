/** Secrets of type kubernetes.io/service-account-token: filled for an account that exists, removed with it. */

import type { ServiceAccountTokens } from "../auth/service-account-tokens.ts";
import { child, type KubeObject } from "../object.ts";
import type { Core } from "../verbs/core.ts";
import { CONTROLLER_MANAGER, writtenBy } from "./manager-fields.ts";

const TYPE = "kubernetes.io/service-account-token";
const NAME = "kubernetes.io/service-account.name";
const UID = "kubernetes.io/service-account.uid";

export function isTokenSecret(secret: KubeObject): boolean {
  return secret["type"] === TYPE && secret.metadata.deletionTimestamp === undefined;
}

/** @param certificate PEM text of the server's authority */
export async function fillTokenSecret(
  core: Core,
  accounts: ServiceAccountTokens,
  key: string,
  certificate: string,
): Promise<void> {
  const secret = core.store.get("secrets", key)?.object;
  if (secret === undefined || !isTokenSecret(secret)) return;
  const { namespace = "", name = "", annotations = {} } = secret.metadata;
  const account = core.store.get("serviceaccounts", `${namespace}/${annotations[NAME] ?? ""}`)?.object;
  const uid = account?.metadata.uid;
  if (uid === undefined || (annotations[UID] !== undefined && annotations[UID] !== uid)) {
    core.store.delete("secrets", key);
    return;
  }
  if (child(secret, "data")["token"] !== undefined && annotations[UID] === uid) return;
  const token = await accounts.issueLegacy({ namespace, name: annotations[NAME] ?? "", uid }, name);
  const current = core.store.get("secrets", key)?.object;
  if (current === undefined || current.metadata.uid !== secret.metadata.uid) return;
  const encoded = (text: string): string => Buffer.from(text).toString("base64");
  const next: KubeObject = {
    ...current,
    metadata: { ...current.metadata, annotations: { ...current.metadata.annotations, [UID]: uid } },
    data: {
      ...child(current, "data"),
      "ca.crt": encoded(certificate),
      namespace: encoded(namespace),
      token: encoded(token),
    },
  };
  core.store.put("secrets", key, writtenBy(core, "secrets", CONTROLLER_MANAGER, current, next));
}
