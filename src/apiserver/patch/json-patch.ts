import { copyJson, isJsonObject, type JsonObject, sameJson } from "../object.ts";
import { INAPPLICABLE_MESSAGE, jsonTypeName, PatchError } from "./errors.ts";

export const MAX_JSON_PATCH_OPERATIONS = 10_000;

type Container = JsonObject | unknown[];

/**
 * Applies an RFC 6902 patch as kube-apiserver does, with its deviations from the RFC: `replace` of a missing key
 * adds it, `copy` from a missing key writes null, negative indexes count from the end, and what stands before the
 * first slash of a path is not looked at.
 *
 * @throws PatchError `BadPatch`, `TooManyOperations` or `Inapplicable`
 */
export function applyJsonPatch(document: JsonObject, patch: unknown): JsonObject {
  const operations = checkedOperations(patch);
  const root: { value: unknown } = { value: copyJson(document) };
  for (const operation of operations) applyOperation(root, operation);
  if (!isJsonObject(root.value)) throw inapplicable();
  return root.value;
}

function checkedOperations(patch: unknown): JsonObject[] {
  if (patch === null) return [];
  if (!Array.isArray(patch)) {
    throw badPatch(
      `json: cannot unmarshal ${jsonTypeName(patch)} into Go value of type []handlers.jsonPatchOp`,
    );
  }
  if (patch.length > MAX_JSON_PATCH_OPERATIONS) {
    throw new PatchError(
      "TooManyOperations",
      `Request entity too large: The allowed maximum operations in a JSON patch is ${MAX_JSON_PATCH_OPERATIONS}, got ${patch.length}`,
    );
  }
  return patch.map((operation) => {
    if (isJsonObject(operation)) return operation;
    throw badPatch(
      `json: cannot unmarshal ${jsonTypeName(operation)} into Go value of type handlers.jsonPatchOp`,
    );
  });
}

function applyOperation(root: { value: unknown }, operation: JsonObject): void {
  const path = pointer(operation["path"]);
  switch (operation["op"]) {
    case "add":
      add(locate(root, path), copyJson(operation["value"] ?? null));
      return;
    case "remove":
      remove(locate(root, path));
      return;
    case "replace":
      if (path === "") {
        root.value = copyJson(operation["value"] ?? null);
        return;
      }
      replace(locate(root, path), copyJson(operation["value"] ?? null));
      return;
    case "move": {
      const from = locate(root, pointer(operation["from"]));
      const value = get(from);
      remove(from);
      add(locate(root, path), value ?? null);
      return;
    }
    case "copy": {
      const value = get(locate(root, pointer(operation["from"])));
      add(locate(root, path), copyJson(value ?? null));
      return;
    }
    case "test": {
      const found = path === "" ? root.value : get(locate(root, path));
      if (!sameJson(found ?? null, operation["value"] ?? null)) throw inapplicable();
      return;
    }
    default:
      throw inapplicable();
  }
}

interface Location {
  readonly container: Container;
  readonly key: string;
}

function locate(root: { value: unknown }, path: string): Location {
  const parts = path.split("/");
  if (parts.length < 2) throw inapplicable();
  let current: unknown = root.value;
  for (const part of parts.slice(1, -1)) {
    if (!isContainer(current)) throw inapplicable();
    current = get({ container: current, key: unescaped(part) });
  }
  if (!isContainer(current)) throw inapplicable();
  return { container: current, key: unescaped(parts.at(-1) ?? "") };
}

function get({ container, key }: Location): unknown {
  if (!Array.isArray(container)) return Object.hasOwn(container, key) ? container[key] : undefined;
  return container[index(key, container.length, container.length - 1)];
}

function add({ container, key }: Location, value: unknown): void {
  if (!Array.isArray(container)) {
    setOwn(container, key, value);
    return;
  }
  if (key === "-") {
    container.push(value);
    return;
  }
  container.splice(index(key, container.length + 1, container.length), 0, value);
}

function replace({ container, key }: Location, value: unknown): void {
  if (Array.isArray(container)) container[index(key, container.length, container.length - 1)] = value;
  else setOwn(container, key, value);
}

function remove({ container, key }: Location): void {
  if (Array.isArray(container)) {
    container.splice(index(key, container.length, container.length - 1), 1);
    return;
  }
  if (!Object.hasOwn(container, key)) throw inapplicable();
  delete container[key];
}

/** A list index; negative ones count back from `wrap`, and none may exceed `last`. */
function index(key: string, wrap: number, last: number): number {
  if (!/^[+-]?\d+$/.test(key)) throw inapplicable();
  const parsed = Number(key);
  const position = parsed < 0 ? parsed + wrap : parsed;
  if (position < 0 || position > last) throw inapplicable();
  return position;
}

/** Assigns an own property also for the names that assignment would take for something else. */
function setOwn(target: JsonObject, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function isContainer(value: unknown): value is Container {
  return Array.isArray(value) || isJsonObject(value);
}

function pointer(value: unknown): string {
  if (typeof value !== "string") throw inapplicable();
  return value;
}

function unescaped(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

function inapplicable(): PatchError {
  return new PatchError("Inapplicable", INAPPLICABLE_MESSAGE);
}

function badPatch(detail: string): PatchError {
  return new PatchError("BadPatch", `error decoding patch: ${detail}`);
}
