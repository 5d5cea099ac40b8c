/** Secret: write-only stringData, base64 data, types with required keys, immutability. */

import { isJsonObject, type JsonObject, type KubeObject, sameJson } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { type Cause, forbiddenField, invalidValue, required, tooLong } from "../status/status.ts";
import { configKeyErrors, subdomainErrors } from "./names.ts";

const MAX_BYTES = 1024 * 1024;
const SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name";

export const secretRules: KindRules = {
  nameErrors: subdomainErrors,
  unconditionalUpdate: true,
  generation: "none",
  separateStatus: false,
  normalize,
  validate,
  warnings,
};

function data(object: KubeObject): Record<string, string> {
  return isJsonObject(object["data"]) ? (object["data"] as Record<string, string>) : {};
}

function normalize(object: KubeObject): void {
  const merged: JsonObject = {};
  // Null means empty, and line breaks are lawful in base64: what is kept is the plain form.
  for (const [key, value] of Object.entries(data(object)))
    put(merged, key, (value ?? "").replace(/[\r\n]/g, ""));
  const texts = isJsonObject(object["stringData"]) ? object["stringData"] : {};
  for (const [key, value] of Object.entries(texts)) {
    put(merged, key, Buffer.from(String(value ?? ""), "utf8").toString("base64"));
  }
  delete object["stringData"];
  if (Object.keys(merged).length === 0) delete object["data"];
  else object["data"] = merged;
  if (object["type"] === undefined || object["type"] === "") object["type"] = "Opaque";
}

function put(target: JsonObject, key: string, value: string): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function validate(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const causes: Cause[] = [];
  if (old !== undefined) {
    if (object["type"] !== old["type"])
      causes.push(invalidValue("type", object["type"], "field is immutable"));
    if (old["immutable"] === true) {
      const why = "field is immutable when `immutable` is set";
      if (object["immutable"] !== true) causes.push(forbiddenField("immutable", why));
      if (!sameJson(data(object), data(old))) causes.push(forbiddenField("data", why));
    }
  }
  return [...causes, ...contentErrors(object)];
}

function contentErrors(object: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const entries = data(object);
  let size = 0;
  for (const [key, value] of Object.entries(entries)) {
    for (const why of configKeyErrors(key)) causes.push(invalidValue(`data[${key}]`, key, why));
    size += decodedLength(value);
  }
  if (size > MAX_BYTES) causes.push(tooLong("data", MAX_BYTES));
  for (const key of REQUIRED_KEYS[String(object["type"])] ?? []) {
    if (!Object.hasOwn(entries, key)) causes.push(required(`data[${key}]`));
  }
  causes.push(...typeErrors(object, entries));
  return causes;
}

const REQUIRED_KEYS: Record<string, readonly string[]> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
};

function typeErrors(object: KubeObject, entries: Record<string, string>): Cause[] {
  switch (object["type"]) {
    case "kubernetes.io/basic-auth": {
      const keys = ["username", "password"];
      return keys.some((key) => Object.hasOwn(entries, key))
        ? []
        : keys.map((key) => required(`data[${key}]`));
    }
    case "kubernetes.io/dockercfg":
      return jsonErrors(entries, ".dockercfg");
    case "kubernetes.io/dockerconfigjson":
      return jsonErrors(entries, ".dockerconfigjson");
    case "kubernetes.io/service-account-token": {
      const name = object.metadata.annotations?.[SERVICE_ACCOUNT_NAME] ?? "";
      return name === "" ? [required(`metadata.annotations[${SERVICE_ACCOUNT_NAME}]`)] : [];
    }
    default:
      return [];
  }
}

function jsonErrors(entries: Record<string, string>, key: string): Cause[] {
  if (!Object.hasOwn(entries, key)) return [];
  try {
    JSON.parse(Buffer.from(entries[key] ?? "", "base64").toString("utf8"));
    return [];
  } catch {
    return [invalidValue(`data[${key}]`, "<secret contents redacted>", "unexpected end of JSON input")];
  }
}

function warnings(object: KubeObject): string[] {
  if (object["type"] !== "kubernetes.io/tls") return [];
  const certificate = Buffer.from(data(object)["tls.crt"] ?? "", "base64").toString("latin1");
  return /-----BEGIN [^-]+-----/.test(certificate)
    ? []
    : [`${object.metadata.name}: failed to find any PEM data in certificate input`];
}

function decodedLength(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}
