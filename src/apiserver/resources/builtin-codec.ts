/** The codec of a built-in kind: by its schema, or open for the few that have none. */

import { builtinSchema, modelName } from "../openapi/models.ts";
import type { Schema } from "../schema/schema.ts";
import { type Codec, groupVersion } from "./definition.ts";
import { openCodec } from "./open-codec.ts";
import { typedCodec } from "./typed-codec.ts";

export function builtinCodec(group: string, version: string, kind: string): Codec {
  const apiVersion = groupVersion({ group, version });
  if (modelName(group, version, kind) === undefined) return openCodec(kind, apiVersion);
  const schemaOf = (): Schema => builtinSchema(group, version, kind) ?? {};
  return typedCodec(kind, version, apiVersion, schemaOf);
}
