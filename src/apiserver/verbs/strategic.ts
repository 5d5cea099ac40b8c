/** Strategic merge patches need the schema of the kind. */

import type { JsonObject, KubeObject } from "../object.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import { applyStrategicPatch } from "../patch/strategic-patch.ts";
import type { ResourceDefinition } from "../resources/definition.ts";

export function strategicPatch(
  definition: ResourceDefinition,
  current: KubeObject,
  change: unknown,
): JsonObject {
  const schema = definition.codec.schema;
  return schema === undefined
    ? applyMergePatch(current, change)
    : applyStrategicPatch(current, change, schema);
}
