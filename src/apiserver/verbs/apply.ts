/** Server-side apply: the applier says which fields it wants to own; others keep theirs. */

import { copyJson, type KubeObject } from "../object.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import type { Core } from "./core.ts";
import { find, served } from "./core.ts";
import { type Body, decodeObject, parseBody } from "./decode.ts";
import { create, update, type WriteContext, type WriteTarget, type Written } from "./write.ts";

export function applyConfiguration(
  core: Core,
  target: WriteTarget,
  body: Body,
  context: WriteContext,
): Written {
  const { definition, namespace, name } = target;
  const parsed = parseBody(body.bytes.toString("utf8"), "yaml", definition.kind);
  const applied = decodeObject(core.registry, definition, parsed, "Ignore", context.warnings);
  const entry = find(core, definition, namespace, name);
  if (entry === undefined) {
    applied.metadata.name = name;
    delete applied.metadata.resourceVersion;
    return create(core, target, applied, context);
  }
  const current = served(definition, entry.object);
  const merged = applyMergePatch(copyJson(current), parsed.value) as KubeObject;
  return update(core, target, merged, context, "patch");
}
