import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";

/** Defaults that depend on other fields; those that do not stand in the schema. In place. */
export function setConditionalDefaults(kind: string, object: KubeObject): void {
  const spec = object["spec"];
  if (!isJsonObject(spec)) return;
  switch (kind) {
    case "Pod":
      spec["enableServiceLinks"] ??= true;
      setPodDefaults(spec);
      return;
    case "Deployment":
      setRollingUpdate(spec, "strategy", { maxUnavailable: "25%", maxSurge: "25%" });
      setTemplateDefaults(spec);
      return;
    case "DaemonSet":
      setRollingUpdate(spec, "updateStrategy", { maxUnavailable: 1, maxSurge: 0 });
      setTemplateDefaults(spec);
      return;
    case "StatefulSet":
      setRollingUpdate(spec, "updateStrategy", { partition: 0 });
      setTemplateDefaults(spec);
      return;
    case "ReplicaSet":
      setTemplateDefaults(spec);
      return;
    case "Service":
      setServiceDefaults(spec);
      return;
    case "NetworkPolicy":
      spec["policyTypes"] ??= ["Ingress", ...(objects(spec["egress"]).length > 0 ? ["Egress"] : [])];
      return;
    default:
  }
}

function setServiceDefaults(spec: JsonObject): void {
  for (const port of objects(spec["ports"])) port["targetPort"] ??= port["port"];
  if (spec["type"] !== "ExternalName") spec["internalTrafficPolicy"] ??= "Cluster";
  if (spec["type"] === "NodePort" || spec["type"] === "LoadBalancer")
    spec["externalTrafficPolicy"] ??= "Cluster";
  if (spec["sessionAffinity"] === "ClientIP")
    spec["sessionAffinityConfig"] ??= { clientIP: { timeoutSeconds: 10800 } };
}

function setRollingUpdate(spec: JsonObject, field: string, defaults: JsonObject): void {
  const strategy = isJsonObject(spec[field]) ? spec[field] : {};
  spec[field] = strategy;
  strategy["type"] ??= "RollingUpdate";
  if (strategy["type"] === "RollingUpdate")
    strategy["rollingUpdate"] = { ...defaults, ...child(strategy, "rollingUpdate") };
}

function setTemplateDefaults(spec: JsonObject): void {
  const pod = child(spec, "template")["spec"];
  if (isJsonObject(pod)) setPodDefaults(pod);
}

function setPodDefaults(pod: JsonObject): void {
  if (pod["serviceAccountName"] !== undefined) pod["serviceAccount"] ??= pod["serviceAccountName"];
  else if (pod["serviceAccount"] !== undefined) pod["serviceAccountName"] = pod["serviceAccount"];
  for (const list of ["containers", "initContainers", "ephemeralContainers"]) {
    for (const container of objects(pod[list])) setContainerDefaults(container, pod["hostNetwork"] === true);
  }
}

function setContainerDefaults(container: JsonObject, hostNetwork: boolean): void {
  const image = container["image"];
  if (typeof image === "string" && image !== "")
    container["imagePullPolicy"] ??= isLatest(image) ? "Always" : "IfNotPresent";
  // A limit is a request too, unless one is given.
  const resources = container["resources"];
  if (isJsonObject(resources) && isJsonObject(resources["limits"])) {
    resources["requests"] = { ...resources["limits"], ...child(resources, "requests") };
  }
  if (hostNetwork) for (const port of objects(container["ports"])) port["hostPort"] ??= port["containerPort"];
}

/** An image without tag and digest, or with the tag `latest`, is pulled anew each time. */
function isLatest(image: string): boolean {
  if (image.includes("@")) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === "latest";
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
