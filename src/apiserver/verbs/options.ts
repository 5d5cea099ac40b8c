/** Options of writes, from the query (and for deletes from the body), checked as Kubernetes checks them. */

import { isJsonObject, type JsonObject } from "../object.ts";
import type { FieldValidation } from "../resources/definition.ts";
import {
  badRequest,
  type Cause,
  forbiddenField,
  invalid,
  invalidValue,
  tooLong,
  unsupported,
} from "../status/status.ts";

export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  readonly force: boolean;
}

export type OptionsKind = "CreateOptions" | "UpdateOptions" | "PatchOptions";

export function writeOptions(
  query: URLSearchParams,
  kind: OptionsKind,
  userAgent: string | undefined,
  applying = false,
): WriteOptions {
  const causes: Cause[] = [];
  const manager = query.get("fieldManager") ?? "";
  const force = query.get("force");
  if (kind === "PatchOptions") {
    if (applying && manager === "") {
      causes.push({
        reason: "FieldValueRequired",
        message: "Required value: is required for apply patch",
        field: "fieldManager",
      });
    }
    if (!applying && force !== null)
      causes.push(forbiddenField("force", "may not be specified for non-apply patch"));
  }
  causes.push(...managerErrors(manager), ...dryRunErrors(query.getAll("dryRun")));
  const validation = query.get("fieldValidation") ?? "";
  if (!["", "Ignore", "Strict", "Warn"].includes(validation)) {
    causes.push(unsupported("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"]));
  }
  if (causes.length > 0) throw invalid({ group: "meta.k8s.io", kind }, "", causes);
  return {
    dryRun: query.getAll("dryRun").length > 0,
    fieldManager: manager === "" ? managerOf(userAgent) : manager,
    fieldValidation: (validation === "" ? "Warn" : validation) as FieldValidation,
    force: force === "true" || force === "1",
  };
}

function managerErrors(manager: string): Cause[] {
  if (Buffer.byteLength(manager) > 128) return [tooLong("fieldManager", 128)];
  if (/\p{C}/u.test(manager))
    return [invalidValue("fieldManager", manager, "should only contain printable characters")];
  return [];
}

function dryRunErrors(values: readonly string[]): Cause[] {
  if (values.every((value) => value === "All")) return [];
  return [
    {
      reason: "FieldValueNotSupported",
      message: `Unsupported value: ${JSON.stringify(values)}: supported values: "All"`,
      field: "dryRun",
    },
  ];
}

/** The part of the User-Agent before the first slash. */
function managerOf(userAgent: string | undefined): string {
  const name = (userAgent ?? "").split("/")[0]?.slice(0, 128) ?? "";
  return name === "" ? "unknown" : name;
}

export type Propagation = "Foreground" | "Background" | "Orphan";

export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly gracePeriodSeconds: number | undefined;
  readonly propagation: Propagation | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
}

/** `body` is the parsed body of the DELETE, undefined when there was none: then the query counts. */
export function deleteOptions(query: URLSearchParams, body: JsonObject | undefined): DeleteOptions {
  const source: JsonObject = body === undefined ? fromQuery(query) : body;
  const dryRun = stringList(source["dryRun"]);
  const causes: Cause[] = [];
  const policy = source["propagationPolicy"];
  const orphan = source["orphanDependents"];
  if (typeof policy === "string" && typeof orphan === "boolean") {
    causes.push(
      invalidValue(
        "propagationPolicy",
        policy,
        "orphanDependents and deletionPropagation cannot be both set",
      ),
    );
  } else if (policy !== undefined && policy !== null && !isPropagation(policy)) {
    causes.push(unsupported("propagationPolicy", policy, ["Foreground", "Background", "Orphan", "nil"]));
  }
  causes.push(...dryRunErrors(dryRun));
  if (causes.length > 0) throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", causes);
  const preconditions = isJsonObject(source["preconditions"]) ? source["preconditions"] : {};
  const grace = source["gracePeriodSeconds"];
  return {
    dryRun: dryRun.length > 0 || query.getAll("dryRun").length > 0,
    // Negative periods mean "at once, but one second" in Kubernetes; for what is not graceful they mean nothing.
    gracePeriodSeconds: typeof grace === "number" ? (grace < 0 ? 1 : grace) : undefined,
    propagation: isPropagation(policy)
      ? policy
      : typeof orphan === "boolean"
        ? orphan
          ? "Orphan"
          : "Background"
        : undefined,
    uid: text(preconditions["uid"]),
    resourceVersion: text(preconditions["resourceVersion"]),
  };
}

function fromQuery(query: URLSearchParams): JsonObject {
  const grace = query.get("gracePeriodSeconds");
  if (grace !== null && !/^[+-]?\d+$/.test(grace)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
  }
  const orphan = query.get("orphanDependents");
  return {
    dryRun: query.getAll("dryRun"),
    ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(query.has("propagationPolicy") ? { propagationPolicy: query.get("propagationPolicy") } : {}),
    ...(orphan === null ? {} : { orphanDependents: orphan === "true" || orphan === "1" }),
  };
}

function isPropagation(value: unknown): value is Propagation {
  return value === "Foreground" || value === "Background" || value === "Orphan";
}

function stringList(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
