/** Starts the controllers that a cluster cannot do without and feeds them with the events of the store. */

import type { ServiceAccountTokens } from "../auth/service-account-tokens.ts";
import type { Core } from "../verbs/core.ts";
import { CRDS, reconcileDefinition, serveDefinition } from "./crds.ts";
import { DEPLOYMENTS, reconcileDeployment } from "./deployments.ts";
import { Garbage } from "./garbage.ts";
import { Loop } from "./loop.ts";
import { emptyNamespace, furnishNamespace } from "./namespaces.ts";
import { fillTokenSecret, isTokenSecret } from "./token-secrets.ts";

export interface ControllerOptions {
  readonly core: Core;
  readonly accounts: ServiceAccountTokens;
  /** PEM text of the authority, for kube-root-ca.crt. */
  readonly certificate: string;
  readonly onError: (error: unknown) => void;
}

/** Clients see the object that they deleted in its terminating state before the collector moves. */
const SETTLE_MS = 5;
/** A namespace is emptied a moment after its deletion, so that who deleted it can see what happens. */
const NAMESPACE_SETTLE_MS = 1_500;
/** The Deployment controller is one round behind who changes a Deployment. */
const DEPLOYMENT_SETTLE_MS = 30;
const RETRY_MS = 100;

export function startControllers({ core, accounts, certificate, onError }: ControllerOptions): () => void {
  const namespaces = new Loop({
    work: (name) => emptyNamespace(core, name),
    delayMs: NAMESPACE_SETTLE_MS,
    retryMs: RETRY_MS,
    onError,
  });
  const garbageLoop = new Loop({
    work: (id) => garbage.work(id),
    delayMs: SETTLE_MS,
    retryMs: RETRY_MS,
    onError,
  });
  const definitions = new Loop({
    work: (name) => reconcileDefinition(core, name),
    delayMs: 0,
    retryMs: RETRY_MS,
    onError,
  });
  const deployments = new Loop({
    work: (key) => reconcileDeployment(core, key),
    delayMs: DEPLOYMENT_SETTLE_MS,
    retryMs: RETRY_MS,
    onError,
  });
  const tokens = new Loop({
    work: (key) => {
      fillTokenSecret(core, accounts, key, certificate).catch(onError);
      return true;
    },
    delayMs: 0,
    retryMs: RETRY_MS,
    onError,
  });
  const garbage = new Garbage(core, (id) => garbageLoop.add(id));

  core.store.observe((storage, event) => {
    const { key, object } = event.entry;
    garbage.onEvent(storage, event);
    if (storage === CRDS) {
      serveDefinition(core, key);
      if (event.type !== "DELETED") definitions.add(key);
      return;
    }
    if (storage === "namespaces" && event.type !== "DELETED") {
      if (object.metadata.deletionTimestamp !== undefined) namespaces.add(key);
      else if (event.type === "ADDED") furnishNamespace(core, key, certificate);
      return;
    }
    if (event.type !== "DELETED") {
      if (storage === DEPLOYMENTS) deployments.add(key);
      else if (storage === "secrets" && isTokenSecret(object)) tokens.add(key);
      return;
    }
    const namespace = object.metadata.namespace;
    if (namespace === undefined) return;
    const home = core.store.get("namespaces", namespace)?.object;
    if (home?.metadata.deletionTimestamp !== undefined) namespaces.add(namespace);
    else if (storage === "configmaps" && key === `${namespace}/kube-root-ca.crt`)
      furnishNamespace(core, namespace, certificate);
    else if (storage === "serviceaccounts" && key === `${namespace}/default`)
      furnishNamespace(core, namespace, certificate);
  });

  // What was stored before this process began.
  for (const { key } of core.store.shelf(CRDS).range("")) {
    serveDefinition(core, key);
    definitions.add(key);
  }
  for (const storage of core.store.resources()) {
    for (const { key, object } of core.store.shelf(storage).range("")) garbage.load(storage, object, key);
  }
  for (const { key, object } of [...core.store.shelf("namespaces").range("")]) {
    if (object.metadata.deletionTimestamp !== undefined) namespaces.add(key);
    else furnishNamespace(core, key, certificate);
  }

  return () => {
    namespaces.close();
    garbageLoop.close();
    definitions.close();
    deployments.close();
    tokens.close();
  };
}
