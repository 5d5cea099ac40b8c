/** Nobody grants what they do not have: checks of roles and bindings at their creation and change. */

import { child, type KubeObject } from "../object.ts";
import { forbidden } from "../status/status.ts";
import type { Store } from "../storage/store.ts";
import type { Admission, User } from "../verbs/core.ts";
import { authorize, type PolicyRule, visitRules } from "./rbac.ts";

const GROUP = "rbac.authorization.k8s.io";

export function refuseEscalation(store: Store): Admission {
  return ({ definition, user, object }) => {
    if (definition.group !== GROUP || user.groups.includes("system:masters")) return;
    const isBinding = definition.plural.endsWith("bindings");
    const namespace = object.metadata.namespace ?? "";
    const reference = child(object, "roleRef");
    const plural = isBinding ? `${String(reference["kind"]).toLowerCase()}s` : definition.plural;
    const name = isBinding ? String(reference["name"]) : (object.metadata.name ?? "");
    const verb = isBinding ? "bind" : "escalate";
    const asked = {
      verb,
      isResource: true,
      path: "",
      group: GROUP,
      resource: plural,
      subresource: "",
      name,
      namespace,
    };
    if (authorize(store, user, asked).allowed) return;
    const role = isBinding ? referenced(store, plural, name, namespace) : object;
    const missing = rulesOf(role).filter((rule) => !covers(store, user, namespace, rule));
    if (missing.length === 0) return;
    const groups = user.groups.map((group) => JSON.stringify(group)).join(" ");
    throw forbidden(
      definition,
      object.metadata.name ?? "",
      `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${missing.map(show).join("\n")}`,
    );
  };
}

function referenced(store: Store, plural: string, name: string, namespace: string): KubeObject | undefined {
  const key = plural === "clusterroles" ? name : `${namespace}/${name}`;
  return store.get(`${plural}.${GROUP}`, key)?.object;
}

function rulesOf(role: KubeObject | undefined): PolicyRule[] {
  return Array.isArray(role?.["rules"]) ? (role["rules"] as PolicyRule[]) : [];
}

/** Whether one rule of the user grants all of this one, or its parts are granted by several. */
function covers(store: Store, user: User, namespace: string, wanted: PolicyRule): boolean {
  const own: PolicyRule[] = [];
  visitRules(store, user, namespace, (rule) => {
    own.push(rule);
    return false;
  });
  const within = (list: readonly string[] | undefined, value: string): boolean =>
    (list ?? []).some((item) => item === "*" || item === value);
  return wanted.verbs.every((verb) => {
    const urls = wanted.nonResourceURLs ?? [];
    if (urls.length > 0) {
      return urls.every((url) =>
        own.some((rule) => within(rule.verbs, verb) && within(rule.nonResourceURLs, url)),
      );
    }
    return (wanted.apiGroups ?? []).every((group) =>
      (wanted.resources ?? []).every((resource) =>
        own.some((rule) => {
          const fits =
            within(rule.verbs, verb) && within(rule.apiGroups, group) && within(rule.resources, resource);
          const names = rule.resourceNames ?? [];
          const asked = wanted.resourceNames ?? [];
          return (
            fits && (names.length === 0 || (asked.length > 0 && asked.every((name) => names.includes(name))))
          );
        }),
      ),
    );
  });
}

function show(rule: PolicyRule): string {
  const list = (items: readonly string[]): string =>
    `[${items.map((item) => JSON.stringify(item)).join(" ")}]`;
  const parts: [string, readonly string[] | undefined][] = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["ResourceNames", rule.resourceNames],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["Verbs", rule.verbs],
  ];
  const shown = parts.filter(([, items]) => (items ?? []).length > 0);
  return `{${shown.map(([name, items]) => `${name}:${list(items ?? [])}`).join(", ")}}`;
}
