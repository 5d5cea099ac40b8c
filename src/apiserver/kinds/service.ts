/** Service: cluster addresses and ports that the server hands out. */

import { randomInt } from "node:crypto";
import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import type { KindRules } from "../resources/definition.ts";
import { type Cause, required } from "../status/status.ts";
import { labelErrors } from "./names.ts";

export const serviceRules: KindRules = {
  nameErrors: labelErrors,
  unconditionalUpdate: true,
  generation: "none",
  separateStatus: true,
  normalize,
  prepareCreate: (object) => {
    object["status"] = { loadBalancer: {} };
    giveAddresses(child(object, "spec"));
  },
  prepareUpdate: (object, old) => {
    const spec = child(object, "spec");
    const before = child(old, "spec");
    for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"])
      spec[field] ??= before[field];
    giveAddresses(spec);
  },
  validate,
  deletionAnswersObject: true,
};

function normalize(object: KubeObject): void {
  const spec = child(object, "spec");
  for (const port of portsOf(spec)) port["targetPort"] ??= port["port"];
  if (spec["type"] === "ExternalName") return;
  spec["internalTrafficPolicy"] ??= "Cluster";
  if (spec["type"] === "NodePort" || spec["type"] === "LoadBalancer") {
    spec["externalTrafficPolicy"] ??= "Cluster";
  }
}

function giveAddresses(spec: JsonObject): void {
  if (spec["type"] === "ExternalName") return;
  spec["ipFamilies"] ??= ["IPv4"];
  spec["ipFamilyPolicy"] ??= "SingleStack";
  if (spec["clusterIP"] === undefined || spec["clusterIP"] === "") {
    spec["clusterIP"] = `10.${randomInt(96, 112)}.${randomInt(256)}.${randomInt(1, 255)}`;
  }
  spec["clusterIPs"] ??= [spec["clusterIP"]];
  if (spec["type"] !== "NodePort" && spec["type"] !== "LoadBalancer") return;
  for (const port of portsOf(spec)) port["nodePort"] ??= randomInt(30_000, 32_768);
}

function portsOf(spec: JsonObject): JsonObject[] {
  return Array.isArray(spec["ports"]) ? spec["ports"].filter(isJsonObject) : [];
}

function validate(object: KubeObject): Cause[] {
  const spec = child(object, "spec");
  const needsPorts = spec["type"] !== "ExternalName" && spec["clusterIP"] !== "None";
  return needsPorts && portsOf(spec).length === 0 ? [required("spec.ports")] : [];
}
