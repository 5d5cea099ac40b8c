/** Subresources that are no view of the object itself: token, binding, eviction, finalize, scale. */

import type { JsonObject } from "../object.ts";
import { methodNotAllowed, success } from "../status/status.ts";
import type { Core } from "./core.ts";
import type { WriteTarget } from "./write.ts";

export interface SubresourceAnswer {
  readonly code: number;
  readonly body: JsonObject;
}

export type SpecialSubresource = (
  core: Core,
  target: WriteTarget,
  verb: string,
  body: JsonObject,
  query: URLSearchParams,
) => Promise<SubresourceAnswer>;

export const SPECIAL_SUBRESOURCES: Readonly<Record<string, SpecialSubresource>> = {
  log: async () => {
    throw methodNotAllowed();
  },
  eviction: async () => ({ code: 201, body: success(undefined, 201) }),
};
