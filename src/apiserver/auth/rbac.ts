/** Role-based access control: which rules a user has, and whether one of them allows a request. */

import type { RequestInfo } from "../http/path.ts";
import { child, isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import type { Store } from "../storage/store.ts";
import type { User } from "../verbs/core.ts";

export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

export interface Question {
  readonly verb: string;
  readonly isResource: boolean;
  readonly path: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  readonly namespace: string;
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

const MASTERS = "system:masters";

export function question(info: RequestInfo): Question {
  return info;
}

/** Follows every binding that names the user; `decide` looks at one rule and stops by answering true. */
export function visitRules(
  store: Store,
  user: User,
  namespace: string,
  decide: (rule: PolicyRule, source: string) => boolean,
  oldestFirst = false,
): string[] {
  const problems: string[] = [];
  const visit = (binding: KubeObject, bindingNamespace: string): boolean => {
    const subject = matchingSubject(binding, user, bindingNamespace);
    if (subject === undefined) return false;
    const reference = child(binding, "roleRef");
    const kind = String(reference["kind"]);
    const name = String(reference["name"]);
    const role =
      kind === "ClusterRole"
        ? store.get("clusterroles.rbac.authorization.k8s.io", name)
        : store.get("roles.rbac.authorization.k8s.io", `${bindingNamespace}/${name}`);
    if (role === undefined) {
      problems.push(`${kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`);
      return false;
    }
    const bindingKind = bindingNamespace === "" ? "ClusterRoleBinding" : "RoleBinding";
    const bindingName =
      bindingNamespace === "" ? binding.metadata.name : `${binding.metadata.name}/${bindingNamespace}`;
    const source = `RBAC: allowed by ${bindingKind} ${JSON.stringify(bindingName)} of ${kind} ${JSON.stringify(name)} to ${subject}`;
    const rules = Array.isArray(role.object["rules"]) ? (role.object["rules"] as PolicyRule[]) : [];
    return rules.some((rule) => decide(rule, source));
  };
  const everywhere = store.shelf("clusterrolebindings.rbac.authorization.k8s.io").range("");
  const inOrder = oldestFirst ? [...everywhere].sort((a, b) => a.revision - b.revision) : everywhere;
  for (const { object } of inOrder) {
    if (visit(object, "")) return problems;
  }
  if (namespace === "") return problems;
  for (const { object } of store.shelf("rolebindings.rbac.authorization.k8s.io").range(`${namespace}/`)) {
    if (visit(object, namespace)) return problems;
  }
  return problems;
}

export function authorize(store: Store, user: User, asked: Question): Decision {
  if (user.groups.includes(MASTERS)) return { allowed: true, reason: "" };
  let reason: string | undefined;
  const problems = visitRules(store, user, asked.isResource ? asked.namespace : "", (rule, source) => {
    if (!ruleAllows(rule, asked)) return false;
    reason = source;
    return true;
  });
  if (reason !== undefined) return { allowed: true, reason };
  return { allowed: false, reason: problems.length === 0 ? "" : `RBAC: ${joinProblems(problems)}` };
}

function joinProblems(problems: readonly string[]): string {
  const distinct = [...new Set(problems)];
  return distinct.length === 1 ? (distinct[0] ?? "") : `[${distinct.join(", ")}]`;
}

export function ruleAllows(rule: PolicyRule, asked: Question): boolean {
  if (!has(rule.verbs, asked.verb)) return false;
  if (!asked.isResource) {
    return (rule.nonResourceURLs ?? []).some(
      (url) =>
        url === "*" || url === asked.path || (url.endsWith("*") && asked.path.startsWith(url.slice(0, -1))),
    );
  }
  if (!has(rule.apiGroups, asked.group)) return false;
  const resource = asked.subresource === "" ? asked.resource : `${asked.resource}/${asked.subresource}`;
  const resources = rule.resources ?? [];
  const resourceFits =
    has(resources, resource) || (asked.subresource !== "" && resources.includes(`*/${asked.subresource}`));
  if (!resourceFits) return false;
  const names = rule.resourceNames ?? [];
  return names.length === 0 || names.includes(asked.name);
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return (list ?? []).some((item) => item === "*" || item === value);
}

function matchingSubject(binding: KubeObject, user: User, namespace: string): string | undefined {
  const subjects = Array.isArray(binding["subjects"]) ? (binding["subjects"] as unknown[]) : [];
  const found = subjects.filter(isJsonObject).find((subject) => subjectMatches(subject, user, namespace));
  if (found === undefined) return undefined;
  return found["kind"] === "ServiceAccount"
    ? `ServiceAccount ${JSON.stringify(`${String(found["name"])}/${String(found["namespace"] ?? namespace)}`)}`
    : `${String(found["kind"])} ${JSON.stringify(found["name"])}`;
}

function subjectMatches(subject: JsonObject, user: User, namespace: string): boolean {
  const name = String(subject["name"]);
  switch (subject["kind"]) {
    case "User":
      return name === user.name;
    case "Group":
      return user.groups.includes(name);
    case "ServiceAccount": {
      const home = typeof subject["namespace"] === "string" ? subject["namespace"] : namespace;
      return user.name === `system:serviceaccount:${home}:${name}`;
    }
    default:
      return false;
  }
}

/** Words of the refusal, as kube-apiserver puts them. */
export function refusal(user: User, asked: Question, reason: string): string {
  const tail = reason === "" ? "" : `: ${reason}`;
  const who = `User ${JSON.stringify(user.name)} cannot ${asked.verb}`;
  if (!asked.isResource) return `${who} path ${JSON.stringify(asked.path)}${tail}`;
  const resource = asked.subresource === "" ? asked.resource : `${asked.resource}/${asked.subresource}`;
  const where =
    asked.namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(asked.namespace)}`;
  return `${who} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(asked.group)} ${where}${tail}`;
}
