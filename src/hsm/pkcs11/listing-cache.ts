/** The token's listing on this side of the addon, so that listing costs no crossing while nothing changed. */
import type { NativeApplied, NativeListing } from "../../addon.ts";
import type { ObjectOperation, TokenListing, TokenObject } from "../token.ts";

const PRIVATE = 1;
const LABEL_UNREADABLE = 2;
const APPLICATION_UNREADABLE = 4;

export class ListingCache {
  #version = -1;
  #otherObjects = 0;
  #objects = new Map<number, TokenObject>();
  #listing: TokenListing | undefined;

  /** The listing, when it is that of `version`. */
  at(version: number): TokenListing | undefined {
    if (version !== this.#version) return undefined;
    this.#listing ??= Object.freeze({
      objects: Object.freeze([...this.#objects.values()]),
      otherObjects: this.#otherObjects,
      version,
    });
    return this.#listing;
  }

  /** Takes what the addon listed; an older listing than the known one changes nothing. */
  take(native: NativeListing): TokenListing {
    if (native.version > this.#version) {
      this.#version = native.version;
      this.#otherObjects = native.otherObjects;
      this.#objects = decode(native);
      this.#listing = undefined;
    }
    return this.at(native.version) ?? decodeListing(native);
  }

  /** Follows our own writes; forgets all when they do not explain the new version. */
  follow(operations: readonly ObjectOperation[], applied: NativeApplied): void {
    if (applied.version <= this.#version) return;
    let changes = 0;
    const objects = this.#objects;
    const explained = applied.version === this.#version + 1;
    for (const [i, outcome] of applied.outcomes.entries()) {
      const operation = operations[i];
      if (operation === undefined) continue;
      if (operation.kind === "create" && typeof outcome === "number") {
        changes += 1;
        if (!explained) continue;
        const { label, application } = operation;
        objects.set(outcome, Object.freeze({ id: outcome, label, application, private: true }));
      } else if (operation.kind === "destroy" && outcome === null) {
        changes += 1;
        if (explained) objects.delete(operation.id);
      }
    }
    this.#listing = undefined;
    this.#version = explained && changes > 0 ? applied.version : -1;
  }
}

function decodeListing(native: NativeListing): TokenListing {
  return {
    objects: [...decode(native).values()],
    otherObjects: native.otherObjects,
    version: native.version,
  };
}

function decode(native: NativeListing): Map<number, TokenObject> {
  const names = native.names.split("\0");
  const objects = new Map<number, TokenObject>();
  for (const [i, id] of native.ids.entries()) {
    const flags = native.flags[i] ?? 0;
    const label = (flags & LABEL_UNREADABLE) === 0 ? (names[2 * i] ?? null) : null;
    const application = (flags & APPLICATION_UNREADABLE) === 0 ? (names[2 * i + 1] ?? null) : null;
    objects.set(id, Object.freeze({ id, label, application, private: (flags & PRIVATE) !== 0 }));
  }
  return objects;
}
