/** Who owns which field: keeps metadata.managedFields up to date at creations and updates. */

import type { KubeObject } from "../object.ts";
import type { Core } from "./core.ts";
import type { WriteContext, WriteTarget } from "./write.ts";

export const ownership = {
  create(_core: Core, _target: WriteTarget, object: KubeObject, _context: WriteContext, _now: string): void {
    delete object.metadata.managedFields;
  },
  update(
    _core: Core,
    _target: WriteTarget,
    _object: KubeObject,
    _old: KubeObject,
    _context: WriteContext,
    _now: string,
  ): void {},
};
