/** Printer columns of the built-in kinds. */

import { child, type KubeObject } from "../object.ts";
import type { TableShape } from "../resources/definition.ts";
import { AGE, CREATED_AT_TABLE, column, NAME, nameAndAge } from "./columns.ts";

const count = (value: unknown): number => Object.keys((value ?? {}) as object).length;

const TABLES: Record<string, TableShape> = {
  secrets: {
    columns: [
      NAME,
      column(
        "Type",
        "Used to facilitate programmatic handling of secret data. More info: https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
      ),
      column(
        "Data",
        "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The serialized form of the secret data is a base64 encoded string, representing the arbitrary (possibly non-string) data value here. Described in https://tools.ietf.org/html/rfc4648#section-4",
      ),
      AGE,
    ],
    cells: (object, now) => nameAndAge(object, now, object["type"] ?? "", count(object["data"])),
  },
  namespaces: {
    columns: [NAME, column("Status", "The status of the namespace"), AGE],
    cells: (object, now) => nameAndAge(object, now, phase(object)),
  },
};

function phase(object: KubeObject): unknown {
  return child(object, "status")["phase"] ?? "";
}

export function tableOf(group: string, plural: string): TableShape {
  return TABLES[group === "" ? plural : `${plural}.${group}`] ?? CREATED_AT_TABLE;
}
