/** Columns that every table shares, and the text of an age. */

import type { KubeObject } from "../object.ts";
import type { Column, TableShape } from "../resources/definition.ts";

export const NAME: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description:
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
  priority: 0,
};

export const CREATION_DESCRIPTION =
  "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

export const AGE: Column = {
  name: "Age",
  type: "string",
  format: "",
  description: CREATION_DESCRIPTION,
  priority: 0,
};

export function column(name: string, description: string, priority = 0, type = "string"): Column {
  return { name, type, format: "", description, priority };
}

/** How long ago, as kubectl shows it: `5s`, `3m20s`, `2h`, `4d`. */
export function age(time: unknown, now: number): string {
  if (typeof time !== "string" || time === "") return "<unknown>";
  const seconds = Math.floor((now - Date.parse(time)) / 1000);
  if (Number.isNaN(seconds)) return "<unknown>";
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return pair(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 ? pair(years, "y", days % 365, "d") : `${years}y`;
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}

/** Columns for kinds without a printer of their own. */
export const CREATED_AT_TABLE: TableShape = {
  columns: [
    NAME,
    { name: "Created At", type: "date", format: "", description: CREATION_DESCRIPTION, priority: 0 },
  ],
  cells: (object) => [object.metadata.name ?? "", object.metadata.creationTimestamp ?? ""],
};

export function nameAndAge(object: KubeObject, now: number, ...between: unknown[]): unknown[] {
  return [object.metadata.name ?? "", ...between, age(object.metadata.creationTimestamp, now)];
}
