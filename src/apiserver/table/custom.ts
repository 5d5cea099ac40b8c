/** Printer columns of custom resources, from `additionalPrinterColumns`. */

import { isJsonObject, type JsonObject, type KubeObject } from "../object.ts";
import type { Column, TableShape } from "../resources/definition.ts";
import { age, CREATION_DESCRIPTION, NAME } from "./columns.ts";

export function customTable(version: JsonObject): TableShape {
  const given = Array.isArray(version["additionalPrinterColumns"])
    ? (version["additionalPrinterColumns"] as unknown[]).filter(isJsonObject)
    : [];
  const specs =
    given.length > 0
      ? given
      : [
          {
            name: "Age",
            type: "date",
            jsonPath: ".metadata.creationTimestamp",
            description: CREATION_DESCRIPTION,
          } satisfies JsonObject,
        ];
  const columns = specs.map(
    (spec: JsonObject): Column => ({
      name: String(spec["name"]),
      type: String(spec["type"]),
      format: String(spec["format"] ?? ""),
      description: String(
        spec["description"] ??
          `Custom resource definition column (in JSONPath format): ${String(spec["jsonPath"])}`,
      ),
      priority: Number(spec["priority"] ?? 0),
    }),
  );
  const readers = specs.map((spec: JsonObject) => cellReader(String(spec["jsonPath"]), String(spec["type"])));
  return {
    columns: [NAME, ...columns],
    cells: (object, now) => [object.metadata.name ?? "", ...readers.map((read) => read(object, now))],
  };
}

function cellReader(path: string, type: string): (object: KubeObject, now: number) => unknown {
  const steps = parsePath(path);
  return (object, now) => {
    const found = steps.reduce<unknown[]>((values, step) => values.flatMap(step), [object]);
    const value = found[0];
    if (value === undefined || value === null) return null;
    switch (type) {
      case "date":
        return age(value, now);
      case "integer":
        return typeof value === "number" ? Math.trunc(value) : null;
      case "number":
        return typeof value === "number" ? value : null;
      case "boolean":
        return typeof value === "boolean" ? value : null;
      default:
        if (found.length > 1) return `[${found.map(goText).join(" ")}]`;
        return goText(value);
    }
  };
}

type Step = (value: unknown) => unknown[];

/** The simple JSONPath of printer columns: fields, indexes, `[*]` and `[?(@.type=="Ready")]`. */
function parsePath(path: string): Step[] {
  const steps: Step[] = [];
  const pattern = /\.([^.[\]]+)|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\]|\[(\*|-?\d+)\]|\['([^']+)'\]/g;
  for (const [, field, filterField, filterValue, index, quoted] of path
    .replace(/\\\./g, "\0")
    .matchAll(pattern)) {
    const name = (field ?? quoted)?.replace(/\0/g, ".");
    if (name !== undefined)
      steps.push((value) => (isJsonObject(value) && name in value ? [value[name]] : []));
    else if (filterField !== undefined) {
      steps.push((value) =>
        items(value).filter((item) => isJsonObject(item) && String(item[filterField]) === filterValue),
      );
    } else if (index === "*") steps.push(items);
    else steps.push((value) => items(value).slice(Number(index)).slice(0, 1));
  }
  return steps;
}

function items(value: unknown): unknown[] {
  return Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : [];
}

function goText(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
