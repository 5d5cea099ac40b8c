import type { Cause } from "../status/status.ts";
import { ApplyError } from "./errors.ts";
import { type FieldSet, shownPath } from "./field-set.ts";
import type { Claim } from "./managers.ts";

/** The refusal of a configuration that would change what others own. */
export function conflictError(
  conflicts: readonly { readonly claim: Claim; readonly fields: FieldSet }[],
): ApplyError {
  const rows = conflicts
    .map(({ claim, fields }) => ({
      owner: shownOwner(claim),
      order: orderKey(claim),
      paths: fields.paths().map(shownPath),
    }))
    .sort((a, b) => (a.order < b.order ? -1 : 1));
  const causes: Cause[] = rows.flatMap(({ owner, paths }) =>
    paths.map((path) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${owner}`,
      field: path,
    })),
  );
  const [first, ...more] = causes;
  if (first !== undefined && more.length === 0) {
    return new ApplyError(
      "Conflict",
      `Apply failed with 1 conflict: ${first.message}: ${first.field}`,
      causes,
    );
  }
  const lines = rows.map(({ owner, paths }) =>
    [`conflicts with ${owner}:`, ...paths.map((path) => `- ${path}`)].join("\n"),
  );
  return new ApplyError(
    "Conflict",
    `Apply failed with ${causes.length} conflicts: ${lines.join("\n")}`,
    causes,
  );
}

function shownOwner({ manager, operation, apiVersion, subresource }: Claim): string {
  const name =
    JSON.stringify(manager) + (subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}

function orderKey({ manager, operation, apiVersion, subresource }: Claim): string {
  return JSON.stringify([manager, operation, apiVersion, subresource]);
}
