// Writes src/apiserver/openapi/models.generated.ts: the fields, formats and descriptions of Kubernetes' built-in kinds.
// Their source is @kubernetes/client-node, which is itself generated from the OpenAPI document of Kubernetes; what that
// generation lost (list types, merge keys, defaults) stands in src/apiserver/openapi/extensions.ts.
// Run: node scripts/generate-kube-models.mjs [--check]
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SOURCE = new URL("../node_modules/@kubernetes/client-node/dist/gen/models/", import.meta.url);
const TARGET = fileURLToPath(new URL("../src/apiserver/openapi/models.generated.ts", import.meta.url));

const META = "io.k8s.apimachinery.pkg.apis.meta.v1.";
/** Kinds by the package of their API; what they use belongs to the first package that reaches it. */
const ROOTS = [
  [META, ["V1ObjectMeta", "V1ListMeta", "V1LabelSelector", "V1DeleteOptions", "V1Condition", "V1Status"]],
  [
    "io.k8s.api.core.v1.",
    [
      "V1PodTemplate",
      "V1Pod",
      "V1Secret",
      "V1ConfigMap",
      "V1Namespace",
      "V1Node",
      "V1Service",
      "V1ServiceAccount",
      "V1Endpoints",
      "V1PersistentVolumeClaim",
      "CoreV1Event",
      "V1Binding",
    ],
  ],
  [
    "io.k8s.api.apps.v1.",
    ["V1Deployment", "V1DaemonSet", "V1ReplicaSet", "V1StatefulSet", "V1ControllerRevision"],
  ],
  ["io.k8s.api.autoscaling.v1.", ["V1Scale"]],
  ["io.k8s.api.events.v1.", ["EventsV1Event"]],
  ["io.k8s.api.coordination.v1.", ["V1Lease"]],
  ["io.k8s.api.rbac.v1.", ["V1Role", "V1RoleBinding", "V1ClusterRole", "V1ClusterRoleBinding"]],
  ["io.k8s.api.authentication.v1.", ["V1TokenReview", "AuthenticationV1TokenRequest", "V1SelfSubjectReview"]],
  [
    "io.k8s.api.authorization.v1.",
    [
      "V1SubjectAccessReview",
      "V1SelfSubjectAccessReview",
      "V1LocalSubjectAccessReview",
      "V1SelfSubjectRulesReview",
    ],
  ],
  ["io.k8s.api.policy.v1.", ["V1PodDisruptionBudget", "V1Eviction"]],
  ["io.k8s.api.networking.v1.", ["V1NetworkPolicy"]],
  [
    "io.k8s.api.admissionregistration.v1.",
    [
      "V1ValidatingAdmissionPolicy",
      "V1ValidatingAdmissionPolicyBinding",
      "V1ValidatingWebhookConfiguration",
      "V1MutatingWebhookConfiguration",
    ],
  ],
  ["io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.", ["V1CustomResourceDefinition"]],
];

const names = new Map();
const models = {};

for (const [prefix, roots] of ROOTS) for (const root of roots) visit(root, prefix);

function visit(model, prefix) {
  if (names.has(model)) return names.get(model);
  const name =
    prefix +
    model.replace(
      /^(Core|Events|Authentication|Discovery|Admissionregistration|Apiextensions|Rbac|Storage|Flowcontrol)?V1/,
      "",
    );
  names.set(model, name);
  const script = readFileSync(new URL(`${model}.js`, SOURCE), "utf8");
  const types = readFileSync(new URL(`${model}.d.ts`, SOURCE), "utf8");
  const entry = { type: "object" };
  models[name] = entry;
  const about = /\/\*\*\n\* ([\s\S]*?)\n\*\/\nexport declare class/.exec(types);
  if (about !== null) entry.description = prose(about[1]);
  const attributes = JSON.parse(/attributeTypeMap = (\[[\s\S]*?\n\]);/.exec(script)?.[1] ?? "[]");
  const required = [];
  const properties = {};
  for (const { name: member, baseName, type, format } of attributes) {
    const declared = new RegExp(
      `(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*)?'${member.replaceAll("$", "\\$")}'(\\?)?:`,
    ).exec(types);
    const description = declared?.[1] === undefined ? undefined : prose(declared[1]);
    if (declared !== null && declared[2] === undefined) required.push(baseName);
    properties[baseName] = { ...(description ? { description } : {}), ...schemaOf(type, format, prefix) };
  }
  if (required.length > 0) entry.required = required.sort();
  entry.properties = Object.fromEntries(Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1)));
  return name;
}

function schemaOf(type, format, prefix) {
  const list = /^Array<(.*)>$/.exec(type);
  if (list !== null) return { type: "array", items: schemaOf(list[1], "", prefix) };
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
  if (map !== null) return { type: "object", additionalProperties: schemaOf(map[1], format, prefix) };
  const extra = format === "" ? {} : { format };
  switch (type) {
    case "string":
    case "boolean":
      return { type, ...extra };
    case "number":
      return { type: format.startsWith("int") ? "integer" : "number", ...extra };
    case "Date":
      return { type: "string", format: "date-time" };
    case "V1MicroTime":
      return { type: "string", format: "date-time", "x-micro-time": true };
    case "IntOrString":
      return { "x-kubernetes-int-or-string": true, format: "int-or-string" };
    case "any":
      return { "x-kubernetes-preserve-unknown-fields": true };
    default:
      return { $ref: visit(type, prefix) };
  }
}

function prose(comment) {
  return comment
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trim())
    .join("\n")
    .trim()
    .replaceAll(/\\(['"`\\])/g, "$1");
}

const sorted = Object.fromEntries(Object.entries(models).sort(([a], [b]) => (a < b ? -1 : 1)));
const lines = Object.entries(sorted).map(
  ([name, model]) => `  ${JSON.stringify(name)}: ${JSON.stringify(model)},`,
);
const text = `// Generated by scripts/generate-kube-models.mjs from @kubernetes/client-node; do not edit.
import type { Model } from "./models.ts";

export const MODELS: Readonly<Record<string, Model>> = {
${lines.join("\n")}
};
`;

if (process.argv.includes("--check")) {
  if (!existsSync(TARGET) || readFileSync(TARGET, "utf8") !== text) {
    console.error(
      "src/apiserver/openapi/models.generated.ts is not what scripts/generate-kube-models.mjs makes: run it",
    );
    process.exit(1);
  }
} else {
  writeFileSync(TARGET, text);
}
