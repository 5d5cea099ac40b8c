import { parse } from "@bufbuild/cel";
import { isJsonObject, type JsonObject } from "../../object.ts";
import { escapedName } from "../cel/values.ts";
import type { Schema } from "../schema.ts";

/**
 * A light reading of CEL expressions through a schema: fields that are not there, results that cannot be what they
 * must be, loops that cost too much. It knows less than the real checker: what it cannot tell passes.
 */

/** The type of an expression as far as it can be told. */
interface Known {
  readonly schema?: Schema;
  readonly type?: string;
}

export interface ExpressionFacts {
  /** A sentence, when the expression does not compile. */
  readonly fault?: string;
  /** `bool`, `string`, ...; undefined when it cannot be told. */
  readonly type?: string;
  readonly usesOldSelf: boolean;
  /** Estimated cost of one evaluation; Infinity when it has no bound. */
  readonly cost: number;
}

export function expressionFacts(text: string, schema: Schema): ExpressionFacts {
  let root: unknown;
  let positions: Readonly<Record<string, number>> = {};
  try {
    const parsed = parse(text);
    root = parsed.expr;
    positions = parsed.sourceInfo?.positions ?? {};
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error), usesOldSelf: false, cost: 0 };
  }
  const reader = new Reader(text, schema, positions);
  const known = reader.read(root, new Map());
  return {
    ...(reader.fault === undefined ? {} : { fault: reader.fault }),
    ...(known.type === undefined ? {} : { type: known.type }),
    usesOldSelf: reader.usesOldSelf,
    cost: reader.cost,
  };
}

/** A request holds 3 MiB at most, which bounds every list. */
const MAX_REQUEST = 3 * 1024 * 1024;
const BOOLEAN_CALLS = new Set([
  "_==_",
  "_!=_",
  "_<_",
  "_<=_",
  "_>_",
  "_>=_",
  "_&&_",
  "_||_",
  "!_",
  "@in",
  "startsWith",
  "endsWith",
  "contains",
  "matches",
  "isSorted",
  "isURL",
  "isIP",
  "isCIDR",
  "isQuantity",
  "hasValue",
]);

class Reader {
  fault: string | undefined;
  usesOldSelf = false;
  cost = 0;
  readonly #text: string;
  readonly #schema: Schema;
  readonly #positions: Readonly<Record<string, number>>;
  #factor = 1;

  constructor(text: string, schema: Schema, positions: Readonly<Record<string, number>>) {
    this.#text = text;
    this.#schema = schema;
    this.#positions = positions;
  }

  read(node: unknown, scope: ReadonlyMap<string, Known>): Known {
    if (!isJsonObject(node) || !isJsonObject(node["exprKind"])) return {};
    const { case: kind, value } = node["exprKind"];
    if (!isJsonObject(value)) return {};
    this.cost += this.#factor;
    switch (kind) {
      case "constExpr":
        return constant(value);
      case "identExpr":
        return this.#identifier(String(value["name"]), scope);
      case "selectExpr":
        return this.#select(node, value, scope);
      case "callExpr":
        return this.#call(value, scope);
      case "comprehensionExpr":
        return this.#comprehension(value, scope);
      case "listExpr":
        for (const item of arrayOf(value["elements"])) this.read(item, scope);
        return { type: "list" };
      default:
        return {};
    }
  }

  #identifier(name: string, scope: ReadonlyMap<string, Known>): Known {
    const local = scope.get(name);
    if (local !== undefined) return local;
    if (name === "oldSelf") this.usesOldSelf = true;
    return name === "self" || name === "oldSelf" ? ofSchema(this.#schema) : {};
  }

  #select(node: JsonObject, value: JsonObject, scope: ReadonlyMap<string, Known>): Known {
    const operand = this.read(value["operand"], scope);
    const name = String(value["field"]);
    const properties = operand.schema?.properties;
    if (properties === undefined) {
      const additional = operand.schema?.additionalProperties;
      return value["testOnly"] === true
        ? { type: "bool" }
        : typeof additional === "object"
          ? ofSchema(additional)
          : {};
    }
    const key = Object.keys(properties).find((candidate) => escapedName(candidate) === name);
    const field = key === undefined ? undefined : properties[key];
    const open = operand.schema?.["x-kubernetes-preserve-unknown-fields"] === true;
    const implicit = operand.schema === this.#schema && ["apiVersion", "kind", "metadata"].includes(name);
    if (field === undefined && !open && !implicit) this.#undefinedField(name, node);
    if (value["testOnly"] === true) return { type: "bool" };
    return field === undefined ? {} : ofSchema(field);
  }

  #undefinedField(name: string, node: JsonObject): void {
    const dot = this.#text.indexOf(`.${name}`);
    const offset = dot >= 0 ? dot : (this.#positions[String(node["id"])] ?? 0);
    this.fault ??= `ERROR: <input>:1:${offset + 1}: undefined field '${name}'\n | ${this.#text}\n | ${".".repeat(offset)}^`;
  }

  #call(value: JsonObject, scope: ReadonlyMap<string, Known>): Known {
    const name = String(value["function"]);
    const target = value["target"] === undefined ? undefined : this.read(value["target"], scope);
    const operands = arrayOf(value["args"]).map((item) => this.read(item, scope));
    if (BOOLEAN_CALLS.has(name)) return { type: "bool" };
    if (name === "_?_:_") return operands[1] ?? {};
    if (name === "_[_]") return elementOf(operands[0]);
    if (name === "string") {
      // The text of anything but a string has no known bound, and joining texts costs by their length.
      return { type: operands[0]?.type === "string" ? "string" : "unbounded" };
    }
    if (name === "_+_") {
      if (operands.some((operand) => operand.type === "unbounded")) this.cost = Number.POSITIVE_INFINITY;
      return operands[0]?.type === undefined ? (operands[1] ?? {}) : operands[0];
    }
    if (name === "size") return { type: "int" };
    return name === "orValue" || name === "value" ? (target ?? {}) : {};
  }

  #comprehension(value: JsonObject, scope: ReadonlyMap<string, Known>): Known {
    const range = this.read(value["iterRange"], scope);
    const before = this.#factor;
    this.#factor = before * sizeOf(range, value["iterRange"]);
    const inner = new Map(scope);
    inner.set(
      String(value["iterVar"]),
      range.schema?.items === undefined ? keyOf(range) : ofSchema(range.schema.items),
    );
    inner.set(String(value["accuVar"]), {});
    this.read(value["loopCondition"], inner);
    this.read(value["loopStep"], inner);
    this.#factor = before;
    const result = this.read(value["accuInit"], scope);
    return result.type === "bool" || result.type === "list" ? result : {};
  }
}

function keyOf(range: Known): Known {
  return range.type === "map" ? { type: "string" } : {};
}

function elementOf(known: Known | undefined): Known {
  const items = known?.schema?.items ?? known?.schema?.additionalProperties;
  return typeof items === "object" ? ofSchema(items) : {};
}

function sizeOf(range: Known, node: unknown): number {
  const literal = isJsonObject(node) && isJsonObject(node["exprKind"]) ? node["exprKind"] : {};
  if (literal["case"] === "listExpr" && isJsonObject(literal["value"]))
    return arrayOf(literal["value"]["elements"]).length;
  return range.schema === undefined ? 1 : maxElements(range.schema);
}

/** How many items a list or a map can have: as it says, or as many as a request can hold. */
export function maxElements(schema: Schema): number {
  if (schema.maxItems !== undefined) return schema.maxItems;
  if (schema.maxProperties !== undefined) return schema.maxProperties;
  if (schema.items !== undefined) return Math.floor(MAX_REQUEST / (smallest(schema.items) + 1));
  if (typeof schema.additionalProperties === "object") {
    return Math.floor(MAX_REQUEST / (smallest(schema.additionalProperties) + 4));
  }
  return 1;
}

/** Bytes of the smallest JSON value that fits. */
function smallest(schema: Schema): number {
  switch (schema.type) {
    case "boolean":
      return 4;
    case "integer":
    case "number":
      return 1;
    case "object": {
      const required = schema.required ?? [];
      return required.reduce(
        (sum, key) => sum + key.length + 3 + smallest(schema.properties?.[key] ?? {}),
        2,
      );
    }
    default:
      return 2;
  }
}

function constant(value: JsonObject): Known {
  const kind = isJsonObject(value["constantKind"]) ? value["constantKind"]["case"] : undefined;
  switch (kind) {
    case "boolValue":
      return { type: "bool" };
    case "stringValue":
      return { type: "string" };
    case "int64Value":
      return { type: "int" };
    case "doubleValue":
      return { type: "double" };
    default:
      return {};
  }
}

function ofSchema(schema: Schema): Known {
  if (schema["x-kubernetes-int-or-string"] === true) return { schema };
  switch (schema.type) {
    case "boolean":
      return { schema, type: "bool" };
    case "string":
      return schema.format === undefined ? { schema, type: "string" } : { schema };
    case "integer":
      return { schema, type: "int" };
    case "number":
      return { schema, type: "double" };
    case "array":
      return { schema, type: "list" };
    case "object":
      return { schema, type: schema.properties === undefined ? "map" : "object" };
    default:
      return { schema };
  }
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
